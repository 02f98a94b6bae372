// Tokens that are bound to a key (RFC 9449): whoever shows one has to prove the key, for this request, once.
import Cryptography
import Gateway
import JOSE
import JSON
import Testing

@testable import Access
@testable import Proxy

/// A client with a key of its own, and the tokens and proofs that it shows.
struct ProofClient {
    let stage: AccessStage
    let key: SigningKey

    init(_ config: [String: JSONValue] = [:]) throws {
        let usual: [String: JSONValue] = [
            "auth_methods": ["bearer"], "proof_of_possession_dpop": "strict",
        ]
        stage = try AccessStage(usual.merging(config) { $1 })
        key = try SigningKey(kid: nil)
    }

    func token(_ changes: [String: JSONValue] = [:]) throws -> String {
        let cnf: [String: JSONValue] = ["cnf": ["jkt": .string(try key.key.thumbprint())]]
        return try stage.key.sign(stage.claims(cnf.merging(changes) { $1 }))
    }

    func proof(
        _ token: String,
        _ changes: [String: JSONValue] = [:],
        by other: SigningKey? = nil
    ) throws -> String {
        let key = other ?? self.key
        let usual: [String: JSONValue] = [
            "jti": .string(Base64URL.encode(try Random.bytes(12))), "htm": "GET",
            "htu": "https://app.example/r", "iat": .number(stage.clock.now),
            "ath": .string(Base64URL.encode(try Digest.sha256.hash(utf8: token))),
        ]
        return try key.sign(
            .object(usual.merging(changes) { $1 }.filter { !$0.value.isNull }),
            header: ["typ": "dpop+jwt", "jwk": try #require(key.key.publicJSON)]
        )
    }

    func ask(
        _ token: String,
        _ proofs: [String],
        _ line: String = "GET https://app.example/r",
        scheme: String = "DPoP",
        more: [(String, String)] = [],
        isTrusted: Bool = false,
        tells: (inout ClientFacts) -> Void = { _ in }
    ) async throws -> Outcome {
        let fields = [("authorization", "\(scheme) \(token)")] + proofs.map { ("dpop", $0) } + more
        return try await stage.ask(line, fields, isTrusted: isTrusted, tells: tells)
    }
}

struct BoundTokenTests {
    static let algorithms = "algs=\"ES256 ES384 ES512 EdDSA PS256 PS384 PS512 RS256 RS384 RS512\""

    @Test func `a bound token passes with its proof, and goes on as a bearer token without it`() async throws
    {
        let client = try ProofClient()
        let token = try client.token()
        for _ in 0..<3 {
            let outcome = try await client.ask(token, [try client.proof(token)])
            #expect(outcome.passes)
            #expect(outcome.upstream(.authorization) == "Bearer \(token)")
            #expect(outcome.passage.upstream.removes(.dpop))
        }
        #expect(client.stage.services.proven(client.stage.worker).hits.value == 2)
        #expect(client.stage.services.proofKeys(client.stage.worker).hits.value == 2)
    }

    // H4
    @Test func `a remembered token is no better without its proof`() async throws {
        let client = try ProofClient()
        let token = try client.token()
        let proof = try client.proof(token)
        #expect(try await client.ask(token, [proof]).passes)
        #expect(try await client.ask(token, [proof]).reason == "proof-replayed")
        #expect(try await client.ask(token, []).reason == "proof-required")
        #expect(try await client.ask(token, [], scheme: "Bearer").reason == "proof-required")
        #expect(
            try await client.ask(token, [try client.proof(token)], scheme: "Bearer").reason
                == "proof-required"
        )
        #expect(try await client.ask(token, [try client.proof(token)]).passes)
    }

    @Test(arguments: ["access-token", "x-access-token"]) func `no other field shows a bound token`(
        _ name: String
    ) async throws {
        let client = try ProofClient()
        let token = try client.token()
        let fields = [(name, token), ("dpop", try client.proof(token))]
        #expect(try await client.stage.ask("GET https://app.example/r", fields).reason == "proof-required")
    }

    @Test func `there is one proof, and no other rule is bent`() async throws {
        let client = try ProofClient()
        let token = try client.token()
        let (one, two) = (try client.proof(token), try client.proof(token))
        #expect(try await client.ask(token, [one, two]).reason == "repeated-proof")
        #expect(try await client.ask(token, ["\(one), \(two)"]).reason == "malformed-proof")
        #expect(try await client.ask(token, ["x"]).reason == "malformed-proof")
        // Nothing of it was taken.
        #expect(try await client.ask(token, [one]).passes)
        let thief = try SigningKey(kid: nil)
        #expect(try await client.ask(token, [try client.proof(token, by: thief)]).reason == "wrong-proof-key")
        let other = try client.token(["sub": "bob"])
        #expect(try await client.ask(token, [try client.proof(other)]).reason == "wrong-proof-token")
        #expect(
            try await client.ask(token, [try client.proof(token, ["htm": "POST"])]).reason
                == "wrong-proof-method"
        )
        let outcome = try await client.ask(token, [try client.proof(token)], "POST https://app.example/r")
        #expect(outcome.reason == "wrong-proof-method")
    }

    @Test func `a proof is good for its lifetime, and is not shown twice in it`() async throws {
        let client = try ProofClient(["dpop_proof_lifetime": 20])
        let token = try client.token()
        let proof = try client.proof(token)
        client.stage.clock.advance(by: 20)
        #expect(try await client.ask(token, [proof]).passes)
        #expect(try await client.ask(token, [proof]).reason == "proof-replayed")
        let late = try client.proof(token)
        client.stage.clock.advance(by: 20.5)
        #expect(try await client.ask(token, [late]).reason == "proof-expired")
    }

    @Test func `challenges say what a better request needs`() async throws {
        let client = try ProofClient()
        let token = try client.token()
        let realm = "DPoP realm=\"id.example\""
        let none = try await client.stage.ask("GET https://app.example/r")
        #expect(none.refusal?.cause.challenges == ["\(realm), \(Self.algorithms)"])
        let bad = try await client.ask(token, ["x"])
        #expect(bad.refusal?.status == 401)
        #expect(
            bad.refusal?.cause.challenges == ["\(realm), error=\"invalid_dpop_proof\", \(Self.algorithms)"]
        )
        let bearer = try await client.ask(token, [], scheme: "Bearer")
        #expect(bearer.refusal?.cause.challenges == ["\(realm), error=\"invalid_token\", \(Self.algorithms)"])
        let both = try ProofClient(["proof_of_possession_dpop": "optional"])
        let offered = try await both.stage.ask("GET https://app.example/r")
        #expect(
            offered.refusal?.cause.challenges
                == ["Bearer realm=\"id.example\"", "\(realm), \(Self.algorithms)"]
        )
    }

    // MARK: Settings

    @Test func `strict takes no token that is not bound, optional does, but not as if it were`() async throws
    {
        let unbound: [String: JSONValue] = ["cnf": .null]
        let strict = try ProofClient()
        let token = try strict.token(unbound)
        #expect(try await strict.ask(token, [], scheme: "Bearer").reason == "token-not-bound")
        #expect(try await strict.ask(token, [try strict.proof(token)]).reason == "token-not-bound")
        let optional = try ProofClient(["proof_of_possession_dpop": "optional"])
        let other = try optional.token(unbound)
        #expect(try await optional.ask(other, [], scheme: "Bearer").passes)
        #expect(try await optional.ask(other, [try optional.proof(other)]).reason == "token-not-bound")
        let bound = try optional.token()
        #expect(try await optional.ask(bound, [], scheme: "Bearer").reason == "proof-required")
        #expect(try await optional.ask(bound, [try optional.proof(bound)]).passes)
    }

    @Test(
        arguments: [
            ["kid": "x"], ["jkt": 1], ["jwk": ["kty": "oct"]], [:], ["jkt": "x", "kid": "x"],
            ["x5t#S256": "x"],
        ] as [JSONValue]
    )
    func `a token that is bound in a way that is not checked is refused`(_ cnf: JSONValue) async throws {
        let client = try ProofClient()
        let token = try client.token(["cnf": cnf])
        #expect(try await client.ask(token, [try client.proof(token)]).reason == "proof-required")
        #expect(try await client.ask(token, [], scheme: "Bearer").reason == "proof-required")
    }

    @Test func `where nothing is set a bound token is refused, and the log says which setting checks it`()
        async throws
    {
        let stage = try AccessStage(["auth_methods": ["bearer"]])
        let outcome = try await stage.ask("GET https://app.example/", try stage.bearer(["cnf": ["jkt": "x"]]))
        #expect(outcome.reason == "proof-required")
        #expect(outcome.refusal?.cause.detail?.contains("proof_of_possession_dpop") == true)
    }

    @Test func `a token that the issuer is asked about is no better without its proof`() async throws {
        let client = try ProofClient(["auth_methods": ["introspection"]])
        func tell(_ cnf: JSONValue) {
            client.stage.issuer.answer(
                "/introspect",
                [
                    "active": true, "iss": .string(client.stage.issuer.url), "sub": "alice", "aud": "app",
                    "client_id": "app", "exp": .number(client.stage.clock.now + 300), "cnf": cnf,
                ]
            )
        }
        tell(["jkt": .string(try client.key.key.thumbprint())])
        for _ in 0..<2 {
            #expect(try await client.ask("opaque", [try client.proof("opaque")]).passes)
            #expect(try await client.ask("opaque", []).reason == "proof-required")
            #expect(try await client.ask("opaque", [], scheme: "Bearer").reason == "proof-required")
        }
        tell(.null)
        #expect(try await client.ask("other", [], scheme: "Bearer").reason == "token-not-bound")
    }

    // B10, B11
    @Test func `a proof is no access token, and an access token no proof`() async throws {
        let client = try ProofClient(["proof_of_possession_dpop": "optional"])
        let token = try client.token()
        #expect(try await client.ask(token, [token]).reason == "wrong-proof-type")
        let proof = try client.stage.key.sign(client.stage.claims(), header: ["typ": "dpop+jwt"])
        #expect(try await client.ask(proof, [], scheme: "Bearer").reason == "wrong-type")
    }

    // MARK: The address

    @Test(
        arguments: [
            ("https://app.example/r", nil), ("https://app.example/r?x=1", nil),
            ("https://app.example/r#f", nil),
            ("HTTPS://APP.example:443/r", nil), ("https://app.example/%72", nil),
            ("https://app.example/a/../r", nil), ("https://app.example//r", nil),
            ("http://app.example/r", "wrong-proof-target"),
            ("https://app.example:8443/r", "wrong-proof-target"),
            ("https://app.example.evil.example/r", "wrong-proof-target"),
            ("https://app.example/r/", "wrong-proof-target"), ("https://app.example/R", "wrong-proof-target"),
            ("https://app.example", "wrong-proof-target"), ("/r", "wrong-proof-target"),
            ("https://user@app.example/r", "wrong-proof-target"),
            ("https://app.example/r HTTP/1.1\r\nX: /r", "wrong-proof-target"),
            ("https://app.example\\@evil.example/r", "wrong-proof-target"),
            ("https://evil.example/r", "wrong-proof-target"),
        ] as [(String, String?)]
    )
    func `htu is the request's address but for query, fragment and spelling`(
        _ address: String,
        _ reason: String?
    ) async throws {
        let client = try ProofClient()
        let token = try client.token()
        let outcome = try await client.ask(token, [try client.proof(token, ["htu": .string(address)])])
        #expect(outcome.reason == reason)
    }

    @Test func `an encoded path is compared as what it says`() async throws {
        let client = try ProofClient()
        let token = try client.token()
        let line = "GET https://app.example/a%2db/%C3%bc?q=1"
        for address in ["https://app.example/a-b/%C3%BC", "https://app.example/a%2Db/%c3%bc"] {
            let proof = try client.proof(token, ["htu": .string(address)])
            #expect(try await client.ask(token, [proof], line).passes)
        }
        let other = try client.proof(token, ["htu": "https://app.example/a-b/%C3%BD"])
        #expect(try await client.ask(token, [other], line).reason == "wrong-proof-target")
    }

    @Test func `scheme, host and port are those that a trusted proxy tells`() async throws {
        let client = try ProofClient()
        let token = try client.token()
        func ask(_ address: String, isTrusted: Bool, port: UInt16? = nil) async throws -> String? {
            let told = port.map { [("x-forwarded-port", String($0))] } ?? []
            let proof = try client.proof(token, ["htu": .string(address)])
            let line = "GET http://app.example:8000/r"
            return try await client.ask(token, [proof], line, more: told, isTrusted: isTrusted) { facts in
                guard isTrusted else { return }
                facts = ClientFacts(peer: facts.peer, isTrustedPeer: true, scheme: .https, port: port ?? 443)
                facts.forwardedHost = "public.example"
            }.reason
        }
        #expect(try await ask("https://public.example/r", isTrusted: true) == nil)
        #expect(try await ask("http://app.example:8000/r", isTrusted: true) == "wrong-proof-target")
        #expect(try await ask("https://public.example:8443/r", isTrusted: true, port: 8443) == nil)
        #expect(
            try await ask("https://public.example:8444/r", isTrusted: true, port: 8443)
                == "wrong-proof-target"
        )
        #expect(try await ask("https://public.example/r", isTrusted: false) == "wrong-proof-target")
        #expect(try await ask("http://app.example:8000/r", isTrusted: false) == nil)
    }

    // MARK: Nonces

    @Test func `a nonce is asked for, given, taken, and given anew before it ends`() async throws {
        let client = try ProofClient(["dpop_use_nonce": true])
        let token = try client.token(["exp": .number(client.stage.clock.now + 9000)])
        let first = try await client.ask(token, [try client.proof(token)])
        #expect(first.reason == "proof-nonce-required")
        #expect(
            first.refusal?.cause.challenges == [
                "DPoP realm=\"id.example\", error=\"use_dpop_nonce\", \(Self.algorithms)"
            ]
        )
        let nonce = try #require(first.passage.answer.value(of: .dpopNonce))
        let with: [String: JSONValue] = ["nonce": .string(nonce)]
        let second = try await client.ask(token, [try client.proof(token, with)])
        #expect(second.passes)
        #expect(second.passage.answer.value(of: .dpopNonce) == nil)
        client.stage.clock.advance(by: 150)
        let third = try await client.ask(token, [try client.proof(token, with)])
        #expect(third.passes)
        let next = try #require(third.passage.answer.value(of: .dpopNonce))
        #expect(next != nonce)
        client.stage.clock.advance(by: 150)
        #expect(try await client.ask(token, [try client.proof(token, with)]).reason == "proof-nonce-required")
        let last = try await client.ask(token, [try client.proof(token, ["nonce": .string(next)])])
        #expect(last.passes)
    }

    @Test func `the error that a nonce needs is told even where errors are not`() async throws {
        let client = try ProofClient(["dpop_use_nonce": true, "expose_error_code": false])
        let token = try client.token()
        let outcome = try await client.ask(token, [try client.proof(token)])
        #expect(outcome.refusal?.cause.challenges.first?.contains("use_dpop_nonce") == true)
    }

    // MARK: Explanations and callouts

    @Test func `a callout's proof is about the original request`() async throws {
        let client = try ProofClient()
        let token = try client.token()
        func ask(_ claims: [String: JSONValue]) async throws -> Int? {
            let fields = [
                ("authorization", "DPoP \(token)"), ("dpop", try client.proof(token, claims)),
                ("x-original-url", "https://app.example/a/b?q=1"), ("x-original-method", "POST"),
            ]
            return try await client.stage.ask("GET http://127.0.0.1/oauth2/auth", fields, isTrusted: true)
                .answer?.status
        }
        #expect(try await ask(["htm": "POST", "htu": "https://app.example/a/b"]) == 202)
        #expect(try await ask(["htm": "GET", "htu": "https://app.example/a/b"]) == 401)
        #expect(try await ask(["htm": "POST", "htu": "http://127.0.0.1/oauth2/auth"]) == 401)
    }
}
