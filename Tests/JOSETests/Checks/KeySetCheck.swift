// A set of keys under any bytes.

import Cryptography
import JSON

@testable import JOSE

/// Reads bytes as a set of keys, from the network and from an operator.
package enum KeySetCheck {
    /// Holds `input` to all promises about sets of keys.
    package static func run(_ input: [UInt8]) throws(Finding) {
        if let set = try? JWKSet(parsing: input, from: .network) {
            for key in set.keys {
                guard case .publicKey = key.material else {
                    throw Finding("a secret key came from the network: \(shown(input))")
                }
            }
            try self.look(set, input)
        }
        if let set = try? JWKSet(parsing: input, from: .configuration) { try self.look(set, input) }
    }

    private static func look(_ set: JWKSet, _ input: [UInt8]) throws(Finding) {
        try demand(set.keys.count + set.rejected.count <= JWKSet.maximumKeys, "too many keys")
        for key in set.keys {
            if let kid = key.kid { try demand(set.contains(kid: kid), "a key is not found: \(shown(input))") }
            switch key.material {
            case .symmetric(let secret): try demand(secret.count >= 16, "a short secret: \(shown(input))")
            case .publicKey, .privateKey: try self.writeAgain(key, input)
            }
        }
    }

    /// A key that was taken is the same key when it was written and read again.
    private static func writeAgain(_ key: JWK, _ input: [UInt8]) throws(Finding) {
        guard let json = key.publicJSON, let again = try? JWK(parsing: json, from: .network) else {
            throw Finding("a key cannot be read again: \(shown(input))")
        }
        try demand(again.publicKey?.components == key.publicKey?.components, "a key changed: \(shown(input))")
        try demand(
            again.kid == key.kid && again.algorithm == key.algorithm,
            "a name changed: \(shown(input))"
        )
    }
}
