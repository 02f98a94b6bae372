// Claims under any bytes: the rules as a table against the same rules said plainly.

import Cryptography
import JSON

@testable import JOSE

/// Signs bytes as claims and judges them.
package enum ClaimsCheck {
    /// Holds `input` to the rules.
    package static func run(_ input: [UInt8]) throws(Finding) {
        guard let secret = self.secret else { throw Finding("no key could be made") }
        let key = JWK(.symmetric(secret))
        guard let token = try? JWS.sign(input, key: key, .hs256) else { throw Finding("cannot sign") }
        var expectations = TokenExpectations(
            issuers: ["https://i", "https://j"],
            audiences: ["a", "b"],
            algorithms: [.hs256]
        )
        expectations.leeway = 5
        let verdict: String
        var claims: [UInt8]?
        do throws(TokenError) {
            let verified = try TokenVerifier.verify(
                Array(token.utf8),
                keys: JWKSet([key]),
                expecting: expectations,
                at: NumericDate(seconds: 1000)
            )
            verdict = "taken"
            claims = verified.claimsText.octets
        } catch {
            verdict = error.reason
        }
        try demand(claims == nil || claims == input, "other claims: \(shown(input))")
        let plain = Self.plainly(input)
        try demand(verdict == plain, "\(verdict), plainly \(plain): \(shown(input))")
    }

    private static let secret = try? Secret.random(32)

    /// The rules one after the other, on a document that jansson read (RFC 7519 §4.1).
    private static func plainly(_ input: [UInt8]) -> String {
        guard case .object(let claims)? = try? JSONValue(parsing: input) else { return "malformed" }
        let (issuer, audience) = (claims["iss"], claims["aud"])
        guard let issuer else { return "missing-claim" }
        guard let issuer = issuer.string else { return "malformed-claim" }
        if let subject = claims["sub"], subject.string == nil { return "malformed-claim" }
        guard let audience else { return "missing-claim" }
        guard let audiences = audience.string.map({ [$0] }) ?? audience.strings else {
            return "malformed-claim"
        }
        guard let expiry = claims["exp"] else { return "missing-claim" }
        for date in [expiry, claims["nbf"], claims["iat"]] {
            if let date, !(date.number?.isFinite ?? false) { return "malformed-claim" }
        }
        if let id = claims["jti"], id.string == nil { return "malformed-claim" }
        guard ["https://i", "https://j"].contains(where: { Array($0.utf8) == Array(issuer.utf8) }) else {
            return "wrong-issuer"
        }
        guard audiences.contains(where: { ["a", "b"].map { Array($0.utf8) }.contains(Array($0.utf8)) }) else {
            return "wrong-audience"
        }
        if 1000 - (expiry.number ?? 0) >= 5 { return "expired" }
        if let start = claims["nbf"]?.number, start - 1000 > 5 { return "not-yet-valid" }
        if let issued = claims["iat"]?.number, issued - 1000 > 60 { return "issued-in-future" }
        return "taken"
    }
}
