// A DPoP proof under any octets.

import Cryptography
import JSON

@testable import JOSE

/// Reads octets as a proof, as a proof's header, and as claims that the bound key signs.
package enum ProofCheck {
    /// Holds `input` to all promises about proofs (RFC 9449 §4.3).
    package static func run(_ input: [UInt8]) throws(Finding) {
        try self.asProof(input)
        try self.asHeader(input)
        try self.asClaims(input)
    }

    private static let target = "https://api.example/r"
    private static let hash = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"
    /// The key that the token is bound to; nobody else has it.
    private static let signing = (try? PrivateKey.generate(.octets(.ed25519))).map { JWK(.privateKey($0)) }

    private static func expectations(_ key: JWK) throws(Finding) -> DPoPExpectations {
        guard let thumbprint = try? key.thumbprint() else { throw Finding("no thumbprint") }
        return DPoPExpectations(
            method: "GET",
            isTarget: { Array($0.utf8) == Array(self.target.utf8) },
            tokenHash: self.hash,
            keyThumbprint: thumbprint,
            lifetime: 60,
            leeway: 5,
            isNonce: { Array($0.utf8) == Array("n".utf8) }
        )
    }

    private static func judge(_ text: [UInt8]) throws(Finding) -> (reason: String, facts: DPoPFacts?) {
        guard let signing = self.signing else { throw Finding("no key could be made") }
        let expected = try self.expectations(signing)
        do throws(DPoPError) {
            let proof = try DPoPProof(text)
            let key = try DPoPKey(header: proof.header.span)
            return ("taken", try proof.verified(by: key, expecting: expected, at: NumericDate(seconds: 1000)))
        } catch {
            try demand(!error.detail.isEmpty && error.rule.hasPrefix("RFC 9449 §4.3 ("), "without a word")
            return (error.reason, nil)
        }
    }

    // MARK: A text

    /// A stranger may sign with a key of their own, but never with the one that the token is bound to.
    private static func asProof(_ input: [UInt8]) throws(Finding) {
        try demand(try self.judge(input).facts == nil, "a stranger's proof is taken: \(shown(input))")
    }

    // MARK: A header

    private static func asHeader(_ input: [UInt8]) throws(Finding) {
        var verdict = "taken"
        var key: DPoPKey?
        do throws(DPoPError) {
            key = try DPoPKey(header: Base64URL.encodedBytes(input.span).span)
        } catch {
            verdict = error.reason
        }
        let plain = self.plainly(header: input)
        try demand(verdict == plain, "header: \(verdict), plainly \(plain): \(shown(input))")
        guard let key else { return }
        guard case .publicKey = key.key.material else { throw Finding("no public key: \(shown(input))") }
        let again = key.key.publicJSON.flatMap { try? JWK(parsing: $0, from: .network) }
        try demand(
            (try? again?.thumbprint()) == key.thumbprint,
            "written and read again the key is another: \(shown(input))"
        )
    }

    private static func plainly(header input: [UInt8]) -> String {
        guard case .object(let header)? = try? JSONValue(parsing: input), let name = header["alg"]?.string
        else { return "malformed-proof" }
        let types = ["dpop+jwt", "application/dpop+jwt"].map { Array($0.utf8) }
        let type = header["typ"]?.string.map { $0.utf8.map { (0x41...0x5A).contains($0) ? $0 + 32 : $0 } }
        guard let type, types.contains(type) else { return "wrong-proof-type" }
        guard header["crit"] == nil, [nil, .bool(true)].contains(header["b64"]) else {
            return "malformed-proof"
        }
        let found = Algorithm.allCases.first { Array($0.rawValue.utf8) == Array(name.utf8) }
        guard let found, DPoPKey.algorithms.contains(found) else { return "proof-algorithm-not-allowed" }
        guard let value = header["jwk"], value.object != nil else { return "malformed-proof" }
        guard let key = try? JWK(parsing: value, from: .network) else { return "unusable-proof-key" }
        let isOfKind =
            switch (found.method, key.publicKey?.kind) {
            case (.rsa, .rsa): true
            case (.elliptic(let curve, _), .elliptic(let other)): curve == other
            case (.edwards, .octets(let curve)): curve == .ed25519 || curve == .ed448
            default: false
            }
        let names = found == .edDSA ? ["EdDSA", "Ed25519", "Ed448"] : [found.rawValue]
        guard isOfKind, key.algorithm.map(names.contains) ?? true else {
            return "proof-algorithm-not-allowed"
        }
        let isForThis = [nil, "sig"].contains(key.use) && key.operations?.contains("verify") ?? true
        return isForThis ? "taken" : "unusable-proof-key"
    }

    // MARK: Claims

    private static func asClaims(_ input: [UInt8]) throws(Finding) {
        guard let signing = self.signing, let own = signing.publicJSON,
            let text = try? JWS.sign(input, key: signing, .edDSA, header: ["typ": "dpop+jwt", "jwk": own])
        else { throw Finding("cannot sign") }
        let verdict = try self.judge(Array(text.utf8))
        let plain = text.utf8.count > DPoPProof.maximumBytes ? "malformed-proof" : self.plainly(claims: input)
        try demand(
            verdict.reason == plain,
            "claims: \(verdict.reason), plainly \(plain): \(shown(input))"
        )
        guard let facts = verdict.facts else { return }
        guard case .object(let claims)? = try? JSONValue(parsing: input) else { throw Finding("no claims") }
        try demand(
            facts.identifier == claims["jti"]?.string && facts.nonce == "n"
                && facts.expires == (claims["iat"]?.number ?? 0) + 65,
            "other facts: \(shown(input))"
        )
    }

    /// The rules one after the other, on a document that jansson read.
    private static func plainly(claims input: [UInt8]) -> String {
        guard case .object(let claims)? = try? JSONValue(parsing: input) else { return "malformed-proof" }
        let texts = ["jti", "htm", "htu", "ath"].map { claims[$0]?.string ?? "" }
        guard texts.allSatisfy({ !$0.isEmpty }), let made = claims["iat"]?.number, made.isFinite else {
            return "malformed-proof"
        }
        guard Array(texts[1].utf8) == Array("GET".utf8) else { return "wrong-proof-method" }
        guard Array(texts[2].utf8) == Array(self.target.utf8) else { return "wrong-proof-target" }
        guard Array(texts[3].utf8) == Array(self.hash.utf8) else { return "wrong-proof-token" }
        if made - 1000 > 60 { return "proof-issued-in-future" }
        if 1000 - made > 65 { return "proof-expired" }
        guard let nonce = claims["nonce"]?.string, Array(nonce.utf8) == Array("n".utf8) else {
            return "proof-nonce-required"
        }
        return "taken"
    }
}
