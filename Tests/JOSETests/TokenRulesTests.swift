// The rules on a token as a list: what failed, what came before, and what was not reached.
import Cryptography
import JSON
import Testing

@testable import JOSE

struct TokenRulesTests {
    private func report(
        _ token: [UInt8],
        _ keys: JWKSet,
        _ expectations: TokenExpectations = Fixture.expectations
    ) -> [RuleReport] {
        TokenRules.report(on: token, keys: keys, expecting: expectations, at: Fixture.now)
    }

    private func token(
        _ changes: [String: JSONValue?] = [:],
        header: [String: JSONValue] = [:]
    ) throws -> [UInt8] {
        Array(
            try JWS.sign(
                claims: Fixture.claims(changes),
                key: Fixture.key(.es256, kid: header["kid"]?.string ?? "k"),
                .es256,
                header: header
            ).utf8
        )
    }

    private func keys() throws -> JWKSet { JWKSet([try Fixture.verifier(.es256)]) }

    @Test func `of a valid token every rule that was asked has passed`() throws {
        let rules = report(try token(), try keys())
        #expect(rules.map(\.name).prefix(9).last == "type" && rules.count == 22)
        #expect(rules.filter { $0.outcome != .passed }.map(\.name) == ["claims that are asked for"])
        #expect(rules.allSatisfy { $0.source.hasPrefix("RFC ") })
        let unasked = report(try token(), try keys(), TokenExpectations())
        #expect(
            unasked.filter { $0.outcome == .notAsked }.map(\.name) == [
                "claims that are asked for", "issuer", "audience",
            ]
        )
    }

    static let failures: [(String, [String: JSONValue?], [String: JSONValue], String)] = [
        ("expiry", ["exp": .number(Fixture.now.seconds - 1)], [:], "expired"),
        ("expiry's form", ["exp": nil], [:], "missing-claim"),
        ("expiry's form", ["exp": "soon"], [:], "malformed-claim"),
        ("issuer's form", ["iss": nil], [:], "missing-claim"),
        ("subject's form", ["sub": 5], [:], "malformed-claim"),
        ("audience's form", ["aud": nil], [:], "missing-claim"),
        ("issuer", ["iss": "https://another"], [:], "wrong-issuer"),
        ("audience", ["aud": "another"], [:], "wrong-audience"),
        ("not before", ["nbf": .number(Fixture.now.seconds + 1)], [:], "not-yet-valid"),
        ("issued at", ["iat": .number(Fixture.now.seconds + 61)], [:], "issued-in-future"),
        ("type", [:], ["typ": "logout+jwt"], "wrong-type"),
        ("critical header", [:], ["crit": ["x"], "x": 1], "critical-header"),
        ("key", [:], ["kid": "nobody"], "unknown-key"),
    ]

    @Test(arguments: failures.indices)
    func `the rule that gives the word is the first that failed, and no later one is reached`(
        index: Int
    ) throws {
        let (name, changes, header, word) = Self.failures[index]
        let token = try token(changes, header: header)
        do throws(TokenError) {
            _ = try TokenVerifier.verify(
                token,
                keys: try self.keyOrNone(),
                expecting: Fixture.expectations,
                at: Fixture.now
            )
            Issue.record("taken")
        } catch {
            #expect(error.reason == word)
        }
        let rules = report(token, try keys())
        let place = try #require(rules.firstIndex { $0.outcome == .failed })
        #expect(rules[place].name == name)
        #expect(rules[..<place].allSatisfy { $0.outcome == .passed || $0.outcome == .notAsked })
        #expect(rules[(place + 1)...].allSatisfy { $0.outcome == .notReached })
    }

    private func keyOrNone() throws(TokenError) -> JWKSet {
        do { return try keys() } catch { throw .unknownKey }
    }

    @Test(
        arguments: [
            (String(repeating: "a", count: 16_385), "size"), ("a.b", "form"), ("a.b.c.d", "form"),
            ("e30.e30.", "header"), ("eyJhbGciOiJFUzI1NiJ9.W10.AA", "payload"),
            ("eyJhbGciOiJub25lIn0.e30.", "algorithm"),
            ("eyJhbGciOiJFUzI1NiIsImtpZCI6ImsifQ.e30.AA", "signature"),
        ]
    )
    func `what is no token fails by its form`(text: String, name: String) throws {
        #expect(report(Array(text.utf8), try keys()).first { $0.outcome == .failed }?.name == name)
    }

    @Test func `an encrypted token has rules of its own before those of what it holds`() throws {
        let secret = Secret([UInt8](repeating: 7, count: 32))
        let shared = try SymmetricKey(secret)
        let sealed = Array(try JWE.seal(try token(), key: shared).utf8)
        let both = JWKSet([JWK(.symmetric(secret))] + (try keys()).keys)
        let rules = report(sealed, both)
        #expect(rules.first?.name == "JWE size" && rules.count == 29)
        #expect(rules.allSatisfy { $0.outcome == .passed || $0.outcome == .notAsked })
        let closed = report(sealed, try keys())
        #expect(closed.first { $0.outcome == .failed }?.name == "JWE algorithm")
        #expect(closed.last?.outcome == .notReached)
        let plain = Array(try JWE.seal(Fixture.claims(["aud": "x"]).serialized(), key: shared).utf8)
        #expect(report(plain, both).first { $0.outcome == .failed }?.name == "audience")
        // Where none is taken, nothing but its form is looked at.
        let refused = TokenRules.report(
            on: sealed,
            keys: both,
            expecting: Fixture.expectations,
            at: Fixture.now,
            takesEncrypted: false
        )
        #expect(refused.first { $0.outcome == .failed }?.name == "form")
    }
}
