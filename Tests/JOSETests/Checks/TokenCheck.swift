// A token under any bytes.

import Cryptography
import JSON

@testable import JOSE

/// Takes a text apart as a token, and judges it with keys of every kind: nobody signed it, so nobody takes it.
package enum TokenCheck {
    /// Holds `input` to all promises about tokens.
    package static func run(_ input: [UInt8]) throws(Finding) {
        try self.takeApart(input)
        guard let keys = self.keys else { throw Finding("no keys could be made") }
        var expectations = TokenExpectations(algorithms: Set(Algorithm.allCases))
        expectations.requiresExpiry = false
        do throws(TokenError) {
            _ = try TokenVerifier.verifyAny(input, keys: keys, expecting: expectations, at: self.now)
        } catch {
            try demand(!error.reason.isEmpty && !error.rule.isEmpty, "refused without a word")
            let payload = try? TokenVerifier.verifySignature(input, keys: keys, expecting: expectations)
            return try demand(payload == nil, "its signature was taken: \(shown(input))")
        }
        throw Finding("taken: \(shown(input))")
    }

    private static let now = NumericDate(seconds: 1_800_000_000)

    /// One key of each kind, without names, so that all that fit are tried.
    private static let keys: JWKSet? = {
        var keys: [JWK] = []
        for kind: KeyKind in [.elliptic(.p256), .octets(.ed25519), .octets(.x25519)] {
            guard let key = try? PrivateKey.generate(kind) else { return nil }
            keys.append(JWK(.privateKey(key)))
        }
        for count in [16, 32, 64] {
            guard let secret = try? Secret.random(count) else { return nil }
            keys.append(JWK(.symmetric(secret)))
        }
        return JWKSet(keys)
    }()

    /// Compares with a reader that knows nothing of ours: split at dots, decode bit by bit, ask jansson.
    private static func takeApart(_ input: [UInt8]) throws(Finding) {
        let token = try? UnverifiedToken(parsing: input)
        let parts = input.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        let decoded = parts.map { PlainBase64URL.decode(Array($0)) }
        guard parts.count == 3, input.count <= 16_384, let header = decoded[0], let payload = decoded[1],
            let signature = decoded[2], let members = Self.object(header), let claims = Self.object(payload),
            members["alg"]?.string != nil,
            ["kid", "typ", "cty"].allSatisfy({ members[$0] == nil || members[$0]?.string != nil })
        else { return try demand(token == nil, "let in: \(shown(input))") }
        guard let token else { throw Finding("refused: \(shown(input))") }
        let isSame =
            token.header.value == .object(members) && token.claims?.value == .object(claims)
            && token.payload == payload && token.signature == signature
            && Array(token.signed) == Array(parts[0]) + [UInt8(ascii: ".")] + Array(parts[1])
        try demand(isSame, "taken apart otherwise: \(shown(input))")
        try demand(token.kid == members["kid"]?.string, "the key's name reads otherwise: \(shown(input))")
        try self.takeApartAgain(token, input)
    }

    /// With a header that was kept a token is what it was.
    private static func takeApartAgain(_ token: UnverifiedToken, _ input: [UInt8]) throws(Finding) {
        let memory = KeptHeaders()
        token.keepHeader(in: memory)
        let again = try? UnverifiedToken(parsing: input, known: memory)
        let isSame =
            again?.read === token.read && again?.payload == token.payload
            && again?.signature == token.signature
            && again.map { Array($0.signed) } == Array(token.signed)
        try demand(isSame, "with a kept header another token: \(shown(input))")
    }

    private static func object(_ text: [UInt8]) -> [String: JSONValue]? {
        guard case .object(let members)? = try? JSONValue(parsing: text) else { return nil }
        return members
    }
}

/// Headers that were kept, all of them.
final class KeptHeaders: HeaderMemory {
    private var headers: [[UInt8]: ReadHeader] = [:]

    /// How many there are.
    var count: Int { headers.count }

    /// Remembers none yet.
    init() {}

    func header(_ octets: Span<UInt8>) -> ReadHeader? { headers[octets.copy()] }

    func keep(_ header: ReadHeader, for octets: Span<UInt8>) { headers[octets.copy()] = header }
}

/// Base64url by the letter of RFC 4648 §5 and RFC 7515 §2, bit by bit.
package enum PlainBase64URL {
    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8
    )

    /// The bytes of a text in its one canonical form.
    package static func decode(_ text: [UInt8]) -> [UInt8]? {
        var bits: [Bool] = []
        for letter in text {
            guard let value = alphabet.firstIndex(of: letter) else { return nil }
            for bit in [32, 16, 8, 4, 2, 1] { bits.append(value & bit != 0) }
        }
        let rest = bits.count % 8
        // Six bits left over are a letter too many; the rest must be zeros.
        guard rest < 6, !bits.suffix(rest).contains(true) else { return nil }
        return stride(from: 0, to: bits.count - rest, by: 8).map { start in
            bits[start..<(start + 8)].reduce(0) { $0 << 1 | ($1 ? 1 : 0) }
        }
    }
}
