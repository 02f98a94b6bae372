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

    static func rows(_ table: String) -> [Vector] {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(
            path: "../Vectors/jose.json"
        )
        guard let bytes = try? Data(contentsOf: file), let document = try? JSONValue(parsing: Array(bytes))
        else {
            return []
        }
        return document[table]?.array?.map { Vector(name: $0["name"]?.string ?? "", row: $0) } ?? []
    }

    static let tokens = rows("tokens")
    static let keys = rows("keys")

    @Test func `no row is missing`() {
        #expect(Self.tokens.count == 46 && Self.keys.count == 17)
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
