// The standards' own examples.
import Cryptography
import JOSE
import JSON
import Testing

struct VectorTests {
    static let rfc7515A1 = """
        eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
        cGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk
        """
    static let rfc7515A1Key: JSONValue = [
        "kty": "oct",
        "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    ]
    static let rfc7515A3 = """
        eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290\
        Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q
        """
    static let rfc7515A3Key: JSONValue = [
        "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    ]

    func judge(
        _ token: String,
        _ key: JSONValue,
        _ algorithms: Set<Algorithm>,
        at seconds: Double
    ) throws -> VerifiedToken {
        let keys = try JWKSet(parsing: ["keys": [key]], from: .configuration)
        #expect(keys.rejected.isEmpty)
        return try TokenVerifier.verify(
            Array(token.utf8),
            keys: keys,
            expecting: TokenExpectations(algorithms: algorithms),
            at: NumericDate(seconds: seconds)
        )
    }

    @Test func `RFC 7515 A.1, HMAC`() throws {
        let token = try judge(Self.rfc7515A1, Self.rfc7515A1Key, [.hs256], at: 1_300_819_379)
        #expect(token.claims == ["iss": "joe", "exp": 1_300_819_380, "http://example.com/is_root": true])
        #expect(throws: TokenError.expired(since: 0)) {
            try judge(Self.rfc7515A1, Self.rfc7515A1Key, [.hs256], at: 1_300_819_380)
        }
        #expect(throws: TokenError.algorithmNotAllowed) {
            try judge(Self.rfc7515A1, Self.rfc7515A1Key, Algorithm.asymmetric, at: 0)
        }
    }

    @Test func `RFC 7515 A.3, ECDSA`() throws {
        let token = try judge(Self.rfc7515A3, Self.rfc7515A3Key, Algorithm.asymmetric, at: 1_300_819_379)
        #expect(token.algorithm == .es256)
    }

    @Test func `RFC 8037 A.4, Ed25519 over a text`() throws {
        let key: JSONValue = [
            "kty": "OKP", "crv": "Ed25519", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        ]
        let expected = """
            eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhi\
            jcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg
            """
        let jwk = try JWK(parsing: key, from: .configuration)
        let text = Array("Example of Ed25519 signing".utf8)
        #expect(try JWS.sign(text, key: jwk, .edDSA) == expected)
        let payload = try TokenVerifier.verifySignature(
            Array(expected.utf8),
            keys: JWKSet([jwk]),
            expecting: TokenExpectations()
        )
        #expect(payload.bytes == text)
        #expect(try jwk.thumbprint() == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
    }

    @Test func `RFC 7638 §3.1, thumbprint`() throws {
        let modulus = """
            0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4\
            n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0\
            zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-c\
            sFCur-kEgU8awapJzKnqDKgw
            """
        let key: JSONValue = [
            "kty": "RSA", "n": .string(modulus), "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
        ]
        let jwk = try JWK(parsing: key, from: .network)
        #expect(try jwk.thumbprint() == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")
        #expect(jwk.publicJSON == key)
    }

    @Test func `RFC 7516 A.3, AES key wrap with AES-CBC and HMAC`() throws {
        let token = """
            eyJhbGciOiJBMTI4S1ciLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.6KB707dM9YTIgHtLvtgWQ8mKwboJW3of9locizkDTHzBC2IlrT1oOQ\
            .AxY8DCtDaGlsbGljb3RoZQ.KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY.U0m_YmjN04DJvceFICbCVQ
            """
        let keys = try JWKSet(
            parsing: ["keys": [["kty": "oct", "k": "GawgguFyGrWKav7AX4VKUg"]]],
            from: .configuration
        )
        let content = try JWE.open(Array(token.utf8), keys: keys)
        #expect(content.plaintext == Array("Live long and prosper.".utf8))
        #expect(content.provesSender)
    }
}
