// The examples of the standards, each named by its section: Tests/Vectors/jose.json.
import Cryptography
import Foundation
import JSON
import Testing

@testable import JOSE

struct VectorTableTests {
    /// A row of the table.
    struct Vector: Sendable, CustomTestStringConvertible {
        let name: String
        let row: JSONValue
        var testDescription: String { name }
    }

    static let document: JSONValue? = {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(
            path: "../Vectors/jose.json"
        )
        return (try? Data(contentsOf: file)).flatMap { try? JSONValue(parsing: Array($0)) }
    }()

    static func rows(_ table: String) -> [Vector] {
        document?[table]?.array?.map { Vector(name: $0["name"]?.string ?? "", row: $0) } ?? []
    }

    static let tokens = rows("tokens")
    static let keys = rows("keys")
    static let recipients = document?["recipients"] ?? [:]

    @Test func `no row is missing`() {
        #expect(Self.tokens.count == 48 && Self.keys.count == 17)
        #expect(Set(Self.tokens.map(\.name)).count == Self.tokens.count)
    }

    /// Everything is named here, RSA1_5 and PBES2 too: what the standards show must open.
    static let expectations: TokenExpectations = {
        var expectations = TokenExpectations(algorithms: Set(Algorithm.allCases))
        expectations.keyManagement = Set(KeyManagement.allCases)
        return expectations
    }()

    @Test(arguments: tokens)
    func `an example of the standards is read as the standard says (J5, J7)`(vector: Vector) throws {
        let row = vector.row
        let token = Array(try row.requiredString("token").utf8)
        let keys = JWKSet(
            try [row["key"], row["inner"]].compactMap { $0 }
                .map { try JWK(parsing: $0, from: .configuration) }
        )
        let payload = try row.optionalString("payload").map { try #require(Base64URL.decode($0)) }
        do throws(TokenError) {
            let isSealed = row["kind"] == "jwe"
            let found =
                isSealed
                ? try JWE.open(
                    token,
                    keys: keys,
                    allowed: Self.expectations.keyManagement
                ).plaintext
                : try TokenVerifier.verifySignature(token, keys: keys, expecting: Self.expectations).bytes
            #expect(row["expect"] == "valid" && found == payload)
        } catch {
            #expect(row["expect"]?.string == error.reason)
        }
    }

    @Test(arguments: tokens)
    func `an example with one octet changed is refused (J5, S3, B2)`(vector: Vector) throws {
        let row = vector.row
        guard row["expect"] == "valid" else { return }
        let key = try JWK(parsing: try row.required("key"), from: .configuration)
        let inner = try row["inner"].map { try JWK(parsing: $0, from: .configuration) }
        let keys = JWKSet([key] + (inner.map { [$0] } ?? []))
        let token = Array(try row.requiredString("token").utf8)
        for place in stride(from: 5, to: token.count - 3, by: max(1, token.count / 37)) {
            var altered = token
            altered[place] = altered[place] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            if row["kind"] == "jwe" {
                #expect(throws: TokenError.self) {
                    try JWE.open(altered, keys: keys, allowed: Self.expectations.keyManagement)
                }
            } else {
                #expect(throws: TokenError.self) {
                    try TokenVerifier.verifySignature(altered, keys: keys, expecting: Self.expectations)
                }
            }
        }
    }

    @Test(arguments: keys)
    func `a key of the standards is read, written and named by its thumbprint`(vector: Vector) throws {
        let value = try vector.row.required("key")
        let key = try JWK(parsing: value, from: .configuration)
        if let thumbprint = vector.row["thumbprint"]?.string { #expect(try key.thumbprint() == thumbprint) }
        let isSecret = value["d"] != nil || value["k"] != nil
        if isSecret {
            #expect(throws: JWKError.notPublic) { try JWK(parsing: value, from: .network) }
            let secret = try key.secretJSON()
            for name in ["kty", "k", "d", "p", "q", "dp", "dq", "qi", "n", "e", "x", "y", "crv"] {
                #expect(secret[name] == value[name], "\(name)")
            }
        } else {
            let json = try #require(try JWK(parsing: value, from: .network).publicJSON)
            for name in ["kty", "n", "e", "x", "y", "crv", "kid"] {
                #expect(json[name] == value[name], "\(name)")
            }
        }
    }

    @Test func `RFC 7516 B, AES-CBC with HMAC, there and back`() throws {
        let key = Secret([
            4, 211, 31, 197, 84, 157, 252, 254, 11, 100, 157, 250, 63, 170, 106, 206, 107, 124, 212, 45, 111,
            107, 9,
            219, 200, 177, 0, 240, 143, 156, 44, 207,
        ])
        let nonce: [UInt8] = [3, 22, 60, 12, 43, 67, 104, 105, 108, 108, 105, 99, 111, 116, 104, 101]
        let data = Array("eyJhbGciOiJBMTI4S1ciLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0".utf8)
        let text = Array("Live long and prosper.".utf8)
        let box = try AESCBCHMAC.seal(text.span, key: key, nonce: nonce.span, authenticating: data.span)
        #expect(
            box.ciphertext == [
                40, 57, 83, 181, 119, 33, 133, 148, 198, 185, 243, 24, 152, 230, 6, 75, 129, 223, 127, 19,
                210, 82,
                183, 230, 168, 33, 215, 104, 143, 112, 56, 102,
            ]
        )
        #expect(
            box.tag == [83, 73, 191, 98, 104, 205, 211, 128, 201, 189, 199, 133, 32, 38, 194, 85]
        )
        let opened = try AESCBCHMAC.open(
            box.ciphertext.span,
            tag: box.tag.span,
            key: key,
            nonce: nonce.span,
            authenticating: data.span
        )
        #expect(opened == text)
    }

    @Test func `RFC 7520 §5.13, each recipient's way to the one content key`() throws {
        let row = try #require(Self.recipients["content"])
        let protected = try row.requiredString("protected")
        for recipient in Self.recipients["recipients"]?.array ?? [] {
            let header = try recipient.required("header")
            let management = try #require(KeyManagement(rawValue: try header.requiredString("alg")))
            let parts = JWE.Parts(
                header: try JSONObjectText(header.serialized()),
                encryptedKey: try #require(Base64URL.decode(try recipient.requiredString("encrypted_key"))),
                nonce: try #require(Base64URL.decode(try row.requiredString("iv"))),
                ciphertext: try #require(Base64URL.decode(try row.requiredString("ciphertext"))),
                tag: try #require(Base64URL.decode(try row.requiredString("tag"))),
                authenticated: Array(protected.utf8)
            )
            let key = try DecryptionKeys.contentKey(
                parts,
                try JWK(parsing: try recipient.required("key"), from: .configuration),
                management,
                .a128CBCHS256
            )
            #expect(
                Base64URL.encode(key.copy()) == "zXayeJ4gvm8NJr3IUInyokTUO-LbQNKEhe_zWlYbdpQ",
                "\(management)"
            )
            let text = try AESCBCHMAC.open(
                parts.ciphertext.span,
                tag: parts.tag.span,
                key: key,
                nonce: parts.nonce.span,
                authenticating: parts.authenticated.span
            )
            #expect(String(decoding: text, as: UTF8.self).hasPrefix("You can trust us to stick with you"))
        }
    }

    @Test func `RFC 7518 C, a key agreed upon`() throws {
        let alice = try JWK(
            parsing: [
                "kty": "EC", "crv": "P-256", "x": "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
                "y": "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",
                "d": "0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo",
            ],
            from: .configuration
        )
        let bob = try JWK(
            parsing: [
                "kty": "EC", "crv": "P-256", "x": "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
                "y": "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",
            ],
            from: .network
        )
        guard case .privateKey(let own) = alice.material, let peer = bob.publicKey else {
            Issue.record("keys of another kind")
            return
        }
        let derived = try ConcatKDF.derive(
            DiffieHellman.secret(own, with: peer),
            algorithm: "A128GCM",
            apu: Array("Alice".utf8),
            apv: Array("Bob".utf8),
            count: 16
        )
        #expect(Base64URL.encode(derived.copy()) == "VqqN6vgjbSBcIijNcacQGg")
    }

    @Test func `RFC 8037 A.6 and A.7, secrets on X25519 and X448`() throws {
        let rows: [(OctetCurve, own: String, secret: String, peer: String, shared: String)] = [
            (
                .x25519, "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08",
                "XasIfmJKikt54X-Lg4AO5m87sSkmGLb9HC-LJ_-I4Os",
                "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo",
                "Sl2dW6TOLeFyjjv0gDUPJeB-IclH0Z4zdvCbPB4WF0I"
            ),
            (
                .x448, "mwj3zDG34-Z9ItWuoSEHSic70rg94Jxj-qc9LCLF2bvINmRyQdlT1AxbEtqIEg1TF3-A5TLEH6A",
                "mo9JJdFRn1d1z0awS1gA1O6e6LrovFVl1JjCjdnJuvV0qUGXRIlzkQBjgqbxJ6sdmsLYwKWYcms",
                "PreoKbDNIPW8_AtZm2_sz22kYnEHvbDU80W0MCfYuXL8PjT7QjKhPKcG3LV67D2uB73BxnvzNgk",
                "B__0GBrGzJXsHBapSg900S2iMs5Ap3VSKB0oK7YMC1b9JGTDNVQ5NlIcJEAwhdWaRJpQN1FKh50"
            ),
        ]
        for row in rows {
            func bytes(_ text: String) throws -> [UInt8] { try #require(Base64URL.decode(text)) }
            let own = try PrivateKey(
                .octets(row.0, try bytes(row.own)),
                .octets(Secret(try bytes(row.secret)))
            )
            let shared = try DiffieHellman.secret(own, with: PublicKey(.octets(row.0, try bytes(row.peer))))
            #expect(Base64URL.encode(shared.copy()) == row.shared)
        }
    }

    @Test func `RFC 9449 §7.1, the hash of an access token`() throws {
        let token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
        let hash = try Digest.sha256.hash(utf8: token)
        #expect(Base64URL.encode(hash) == "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo")
    }
}
