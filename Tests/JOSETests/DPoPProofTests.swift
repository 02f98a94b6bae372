// Proofs of possession (RFC 9449): the standard's examples, and each rule on both sides of its limit.
import Cryptography
import JSON
import Testing

@testable import JOSE

struct DPoPProofTests {
    static let now = 1_562_262_620.0
    static let header =
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
    /// RFC 9449 §7.1.
    static let example =
        header
        + ".eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
    static let exampleToken = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
    static let exampleThumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"

    private func expectations(
        _ target: String = "https://resource.example.org/protectedresource",
        method: String = "GET",
        token: String = exampleToken,
        thumbprint: String = exampleThumbprint,
        nonce: String? = nil
    ) throws -> DPoPExpectations {
        DPoPExpectations(
            method: method,
            isTarget: { $0 == target },
            tokenHash: Base64URL.encode(try Digest.sha256.hash(utf8: token)),
            keyThumbprint: thumbprint,
            lifetime: 300,
            isNonce: nonce.map { good in { $0 == good } }
        )
    }

    private func judge(
        _ text: String,
        _ expected: DPoPExpectations,
        at now: Double = now
    ) throws(DPoPError) -> DPoPFacts {
        let proof = try DPoPProof(Array(text.utf8))
        let key = try DPoPKey(header: proof.header.span)
        return try proof.verified(by: key, expecting: expected, at: NumericDate(seconds: now))
    }

    private func word(_ text: String, _ expected: DPoPExpectations, at now: Double = now) -> String? {
        do throws(DPoPError) {
            _ = try judge(text, expected, at: now)
            return nil
        } catch {
            #expect(error.rule.hasPrefix("RFC 9449 §4.3 ("))
            #expect(!error.detail.isEmpty)
            return error.reason
        }
    }

    // MARK: The standard's examples

    @Test func `the request of RFC 9449 §7.1 is taken, and bound as its §6.1 says`() throws {
        let facts = try judge(Self.example, expectations())
        #expect(facts.identifier == "e1j3V_bKic8-LAEB")
        #expect(facts.nonce == nil)
        #expect(facts.expires == 1_562_262_618 + 300)
        let key = try DPoPKey(header: Array(Self.header.utf8).span)
        #expect(key.thumbprint == Self.exampleThumbprint)
    }

    @Test(
        arguments: [
            // §4.1 and §5: proofs for a token endpoint, which name no token.
            ".eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg",
            ".eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjY1Mjk2fQ.pAqut2IRDm_De6PR93SYmGBPXpwrAk90e8cP2hjiaG5QsGSuKDYW7_X620BxqhvYC8ynrrvZLTk41mSRroapUA",
        ]
    ) func `a proof for a token endpoint is none for a resource, though it is well signed`(
        _ rest: String
    ) throws {
        let text = Self.header + rest
        let expected = try expectations("https://server.example.com/token", method: "POST")
        #expect(word(text, expected, at: 1_562_265_296) == "malformed-proof")
        let parts = text.split(separator: ".").map(String.init)
        let signature = try #require(Base64URL.decode(parts[2]))
        let signed = Array("\(parts[0]).\(parts[1])".utf8)
        let key = try DPoPKey(header: Array(Self.header.utf8).span)
        let isSigned = JWS.isValid(signature.span, of: signed.span, key.key.material, key.algorithm)
        #expect(isSigned)
    }

    // MARK: Rules, one by one

    private static func sign(
        _ claims: [String: JSONValue?] = [:],
        header: [String: JSONValue?] = [:],
        by algorithm: Algorithm = .es256
    ) throws -> String {
        let key = try Fixture.key(algorithm, kid: nil)
        var members: [String: JSONValue] = [
            "jti": "j-1", "htm": "GET", "htu": "https://api.example/r", "iat": .number(now),
            "ath": .string(Base64URL.encode(try Digest.sha256.hash(utf8: "token"))),
        ]
        for (name, value) in claims { members[name] = value }
        var head: [String: JSONValue] = ["typ": "dpop+jwt", "jwk": try #require(key.publicJSON)]
        for (name, value) in header { head[name] = value }
        return try JWS.sign(claims: .object(members), key: key, algorithm, header: head)
    }

    private func expected(by algorithm: Algorithm = .es256, nonce: String? = nil) throws -> DPoPExpectations {
        try expectations(
            "https://api.example/r",
            token: "token",
            thumbprint: Fixture.key(algorithm, kid: nil).thumbprint(),
            nonce: nonce
        )
    }

    @Test(arguments: DPoPKey.algorithms) func `every algorithm of the list is taken`(
        _ algorithm: Algorithm
    ) throws {
        #expect(word(try Self.sign(by: algorithm), try expected(by: algorithm)) == nil)
    }

    @Test(
        arguments: [
            (["jti": .some(nil)], "malformed-proof"), (["jti": ""], "malformed-proof"),
            (["jti": 1], "malformed-proof"),
            (["htm": .some(nil)], "malformed-proof"), (["htu": .some(nil)], "malformed-proof"),
            (["iat": .some(nil)], "malformed-proof"), (["iat": "1562262620"], "malformed-proof"),
            (["ath": .some(nil)], "malformed-proof"),
            (["htm": "POST"], "wrong-proof-method"), (["htm": "get"], "wrong-proof-method"),
            (["htu": "https://api.example/"], "wrong-proof-target"),
            (["ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"], "wrong-proof-token"),
            (["iat": .number(now - 300)], nil), (["iat": .number(now - 300.5)], "proof-expired"),
            (["iat": .number(now + 60)], nil), (["iat": .number(now + 60.5)], "proof-issued-in-future"),
            (["nonce": "whatever"], nil), (["more": "of it"], nil),
        ] as [([String: JSONValue?], String?)]
    )
    func `a claim decides`(_ claims: [String: JSONValue?], _ reason: String?) throws {
        #expect(word(try Self.sign(claims), try expected()) == reason)
    }

    @Test(
        arguments: [
            (["typ": "JWT"], "wrong-proof-type"), (["typ": .some(nil)], "wrong-proof-type"),
            (["typ": "at+jwt"], "wrong-proof-type"), (["typ": "DPoP+JWT"], nil),
            (["typ": "application/dpop+jwt"], nil),
            (["jwk": .some(nil)], "malformed-proof"), (["jwk": "key"], "malformed-proof"),
            (["jwk": ["kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"]], "unusable-proof-key"),
            (
                ["jwk": ["kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]],
                "unusable-proof-key"
            ),
            (["jwk": ["kty": "none"]], "unusable-proof-key"),
            (["crit": ["exp"], "exp": 1], "malformed-proof"), (["b64": false], "malformed-proof"),
        ] as [([String: JSONValue?], String?)]
    )
    func `the header decides`(_ header: [String: JSONValue?], _ reason: String?) throws {
        #expect(word(try Self.sign(header: header), try expected()) == reason)
    }

    @Test func `a private key in the header is refused`() throws {
        let key = try Fixture.key(.es256, kid: nil)
        let text = try Self.sign(header: ["jwk": try key.secretJSON()])
        #expect(word(text, try expected()) == "unusable-proof-key")
    }

    @Test func `a key that is not for signatures, or for another algorithm, is refused`() throws {
        var members = try #require(Fixture.key(.es256, kid: nil).publicJSON?.object)
        members["use"] = "enc"
        #expect(
            word(try Self.sign(header: ["jwk": .object(members)]), try expected()) == "unusable-proof-key"
        )
        members["use"] = "sig"
        #expect(word(try Self.sign(header: ["jwk": .object(members)]), try expected()) == nil)
        members["alg"] = "ES384"
        #expect(
            word(try Self.sign(header: ["jwk": .object(members)]), try expected())
                == "proof-algorithm-not-allowed"
        )
    }

    @Test(arguments: ["none", "HS256", "ES256K", "es256", "XX1"])
    func `an algorithm that is not in the list is refused`(_ name: String) throws {
        let header = JSONValue.object([
            "typ": "dpop+jwt", "alg": .string(name),
            "jwk": try #require(Fixture.key(.es256, kid: nil).publicJSON),
        ])
        let parts = try Self.sign().split(separator: ".")
        let text = "\(Base64URL.encode(header.serialized())).\(parts[1]).\(parts[2])"
        #expect(word(text, try expected()) == "proof-algorithm-not-allowed")
    }

    @Test func `another key's proof is refused, and so is another key in the header`() throws {
        #expect(word(try Self.sign(by: .es384), try expected()) == "wrong-proof-key")
        let other = JWK(.privateKey(try PrivateKey.generate(.elliptic(.p256))))
        let text = try Self.sign(header: ["jwk": other.publicJSON])
        #expect(word(text, try expected()) == "wrong-proof-key")
        let stolen = try expectations(
            "https://api.example/r",
            token: "token",
            thumbprint: try other.thumbprint()
        )
        #expect(word(text, stolen) == "bad-proof-signature")
    }

    @Test func `an altered proof is refused`() throws {
        let good = try Self.sign()
        let end = good.last == "A" ? "Q" : "A"
        #expect(word(String(good.dropLast()) + end, try expected()) != nil)
        let parts = good.split(separator: ".")
        #expect(word("\(parts[0]).\(parts[1])", try expected()) == "malformed-proof")
        #expect(word("\(good).", try expected()) == "malformed-proof")
        #expect(word("\(parts[0]).e30.\(parts[2])", try expected()) == "malformed-proof")
        #expect(word("\(parts[0]).\(parts[1]).\(parts[2])=", try expected()) == "malformed-proof")
        #expect(word("", try expected()) == "malformed-proof")
    }

    @Test func `where nonces are given out a proof needs one of them`() throws {
        let expected = try expected(nonce: "n-1")
        #expect(word(try Self.sign(["nonce": "n-1"]), expected) == nil)
        #expect(word(try Self.sign(["nonce": "n-2"]), expected) == "proof-nonce-required")
        #expect(word(try Self.sign(["nonce": 1]), expected) == "proof-nonce-required")
        #expect(word(try Self.sign(), expected) == "proof-nonce-required")
        #expect(try judge(try Self.sign(["nonce": "n-1"]), expected).nonce == "n-1")
    }

    @Test func `leeway counts on both sides`() throws {
        var expected = try expected()
        expected.leeway = 90
        #expect(word(try Self.sign(["iat": .number(Self.now - 390)]), expected) == nil)
        #expect(word(try Self.sign(["iat": .number(Self.now - 390.5)]), expected) == "proof-expired")
        #expect(word(try Self.sign(["iat": .number(Self.now + 90)]), expected) == nil)
        #expect(word(try Self.sign(["iat": .number(Self.now + 90.5)]), expected) == "proof-issued-in-future")
    }

    @Test func `a proof of 8 KiB is taken, a longer one is not read`() throws {
        let plain = try Self.sign(["more": ""]).utf8.count
        // Four letters carry three octets.
        let room = (DPoPProof.maximumBytes - plain) / 4 * 3
        let long = try Self.sign(["more": .string(String(repeating: "x", count: room))])
        #expect(long.utf8.count <= DPoPProof.maximumBytes)
        #expect(word(long, try expected()) == nil)
        let tooLong = try Self.sign(["more": .string(String(repeating: "x", count: room + 6))])
        #expect(word(tooLong, try expected()) == "malformed-proof")
    }

    @Test func `every rule names its sentence`() {
        #expect(DPoPRule.all.allSatisfy { $0.source.hasPrefix("RFC 9449 §4.3 (") })
        #expect(Set(DPoPRule.all.map(\.name)).count == DPoPRule.all.count)
    }
}
