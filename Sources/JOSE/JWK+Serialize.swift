// A key back to JSON, and its thumbprint.

package import Cryptography
package import JSON

extension JWK {
    /// The public key as JSON; nothing for a shared secret.
    package var publicJSON: JSONValue? {
        guard let publicKey, case .object(var members) = Self.required(publicKey.components) else {
            return nil
        }
        if let kid { members["kid"] = .string(kid) }
        if let algorithm { members["alg"] = .string(algorithm) }
        if let use { members["use"] = .string(use) }
        return .object(members)
    }

    /// The SHA-256 over the required members in the one form of RFC 7638 §3, base64url.
    package func thumbprint() throws(CryptoError) -> String {
        let required: JSONValue
        switch material {
        case .publicKey(let key): required = Self.required(key.components)
        case .privateKey(let key): required = Self.required(key.publicKey.components)
        case .symmetric(let secret): required = ["k": .string(Base64URL.encode(secret.copy())), "kty": "oct"]
        }
        return Base64URL.encode(try Digest.sha256.hash(required.serialized()))
    }

    /// The whole key as JSON, its secret parts too: for a file that only its owner reads, and for tests.
    package func secretJSON() throws(CryptoError) -> JSONValue {
        var members: [String: JSONValue] = [:]
        switch material {
        case .publicKey: members = publicJSON?.object ?? [:]
        case .symmetric(let secret):
            members = ["kty": "oct", "k": .string(Base64URL.encode(secret.copy()))]
            if let kid { members["kid"] = .string(kid) }
            if let algorithm { members["alg"] = .string(algorithm) }
        case .privateKey(let key):
            members = publicJSON?.object ?? [:]
            switch try key.privateComponents() {
            case .rsa(let d, let p, let q, let dp, let dq, let qi):
                for (name, part) in [("d", d), ("p", p), ("q", q), ("dp", dp), ("dq", dq), ("qi", qi)] {
                    members[name] = .string(Base64URL.encode(part.copy()))
                }
            case .elliptic(let part), .octets(let part):
                members["d"] = .string(Base64URL.encode(part.copy()))
            }
        }
        return .object(members)
    }

    private static func required(_ components: PublicComponents) -> JSONValue {
        switch components {
        case .rsa(let modulus, let exponent):
            [
                "kty": "RSA", "n": .string(Base64URL.encode(modulus)),
                "e": .string(Base64URL.encode(exponent)),
            ]
        case .elliptic(let curve, let x, let y):
            [
                "kty": "EC", "crv": .string(CurveName.name(curve)), "x": .string(Base64URL.encode(x)),
                "y": .string(Base64URL.encode(y)),
            ]
        case .octets(let curve, let x):
            [
                "kty": "OKP", "crv": .string(CurveName.name(curve)), "x": .string(Base64URL.encode(x)),
            ]
        }
    }
}
