// Questions about tokens, as lines of JSON.
import Cryptography
import JOSE
import JSON
import Testing

struct TokenQuestionTests {
    let token: String
    let keys: JSONValue
    let defaults = TokenQuestion(at: Fixture.now)

    init() throws {
        token = try JWS.sign(claims: Fixture.claims(), key: Fixture.key(.es256), .es256)
        keys = ["keys": [try Fixture.verifier(.es256).publicJSON ?? .null]]
    }

    func answer(_ changes: [String: JSONValue?] = [:]) -> JSONValue {
        var line: [String: JSONValue] = ["id": 7, "token": .string(token), "jwks": keys]
        for (name, value) in changes { line[name] = value }
        return defaults.answer(line: JSONValue.object(line).serialized(), keys: JWKSetCache())
    }

    @Test func `a valid token is answered with header, claims and what was not asked`() throws {
        #expect(
            answer() == [
                "id": 7, "valid": true, "claims": Fixture.claims(), "header": ["alg": "ES256", "kid": "k"],
                "unchecked": ["iss", "aud"],
            ]
        )
        #expect(answer(["audience": ["api"]])["unchecked"] == ["iss"])
        #expect(answer(["audience": "api", "issuer": "https://issuer"])["unchecked"] == [])
    }

    @Test func `a refused token is answered with reason, rule and detail`() throws {
        #expect(
            answer(["at": .number(Fixture.now.seconds + 161)]) == [
                "id": 7, "valid": false, "reason": "expired", "rule": "RFC 7519 §4.1.4",
                "detail": "the token expired 61 s ago",
            ]
        )
    }

    @Test func `each member of a question counts`() throws {
        for (changes, reason) in [
            (["issuer": "x"], "wrong-issuer"), (["audience": ["x"]], "wrong-audience"),
            (["audience": []], "wrong-audience"), (["algorithms": ["RS256"]], "algorithm-not-allowed"),
            (["algorithms": []], "algorithm-not-allowed"),
            (["algorithms": ["none"]], "algorithm-not-allowed"),
            (["at": 3e9], "expired"), (["at": 3e9, "leeway": 2e9], nil), (["type": "at+jwt"], "wrong-type"),
            (["type": "at+jwt", "signature_only": true], "wrong-type"),
            (["at": 3e9, "signature_only": true], nil),
            (["jwks": ["keys": []]], "unknown-key"), (["jwks": nil], "unknown-key"),
            (["issuer": .some(.null), "at": .some(.null), "leeway": .some(.null)], nil),
        ] as [([String: JSONValue?], String?)] {
            let answer = answer(changes)
            #expect(answer["id"] == 7)
            #expect(answer["valid"] == .bool(reason == nil))
            #expect(answer["reason"]?.string == reason)
        }
    }

    @Test func `a signature alone gives the payload as it is`() throws {
        let text = Array("not JSON".utf8)
        let token = try JWS.sign(text, key: Fixture.key(.es256), .es256)
        #expect(
            answer(["token": .string(token), "signature_only": true]) == [
                "id": 7, "valid": true, "header": ["alg": "ES256", "kid": "k"],
                "payload": .string(Base64URL.encode(text)),
            ]
        )
        #expect(answer(["token": .string(token)])["reason"] == "malformed")
    }

    @Test func `a shared key judges when its algorithm is named (J3)`() throws {
        let key = try Fixture.key(.hs256)
        let token = JSONValue.string(try JWS.sign(claims: Fixture.claims(), key: key, .hs256))
        let keys: JSONValue = ["keys": [try key.secretJSON()]]
        #expect(answer(["token": token, "jwks": keys])["reason"] == "algorithm-not-allowed")
        #expect(answer(["token": token, "jwks": keys, "algorithms": ["HS256"]])["valid"] == true)
        let empty: JSONValue = ["keys": [["kty": "oct", "k": "", "kid": "k"]]]
        #expect(answer(["token": token, "jwks": empty, "algorithms": ["HS256"]])["reason"] == "unknown-key")
    }

    @Test(arguments: [
        "", "x", "[]", "5", "\"a\"", "{", #"{"token":"a","token":"b"}"#, #"{"id":1,"id":2,"token":"a"}"#,
        "{\"id\":1,\"token\":\"\u{0}\"}",
    ])
    func `a line that holds no question is malformed and has no name`(line: String) {
        let answer = defaults.answer(line: Array(line.utf8), keys: JWKSetCache())
        #expect(answer["id"] == .some(.null))
        #expect(answer["valid"] == false)
        #expect(answer["reason"] == "malformed")
    }

    @Test(
        arguments: [
            ["token": nil], ["token": 5], ["jwks": "x"], ["jwks": ["keys": 5]], ["issuer": 5],
            ["audience": [5]],
            ["algorithms": [5]], ["at": "now"], ["leeway": -1], ["leeway": "1"], ["type": 5],
            ["signature_only": 1],
        ] as [[String: JSONValue?]]
    )
    func `a member of the wrong type is malformed`(changes: [String: JSONValue?]) {
        let answer = answer(changes)
        #expect(answer["id"] == 7)
        #expect(answer["valid"] == false)
        #expect(answer["reason"] == "malformed")
    }

    @Test func `one set of keys after another is not mistaken for it`() throws {
        let cache = JWKSetCache()
        func line(_ keys: JSONValue) -> [UInt8] {
            JSONValue.object(["token": .string(token), "jwks": keys]).serialized()
        }
        #expect(defaults.answer(line: line(keys), keys: cache)["valid"] == true)
        #expect(defaults.answer(line: line(["keys": []]), keys: cache)["reason"] == "unknown-key")
        #expect(defaults.answer(line: line(keys), keys: cache)["valid"] == true)
    }
}
