// What a callout's fields have to agree on before anything is judged.
import Gateway
import Testing

@testable import Access
@testable import Gateway
@testable import Proxy

struct OriginalRequestTests {
    /// A callout from a trusted gateway to `gateway.example`, with these fields.
    private static func passage(_ fields: [(String, String)]) throws -> Passage {
        let request = try WrittenRequest(
            "GET http://gateway.example/oauth2/auth",
            fields: fields.map { (name: $0.0, value: $0.1) }
        )
        let peer = try #require(IPAddress("127.0.0.1"))
        var client = ClientFacts(peer: peer, isTrustedPeer: true)
        client.hear(request.head.fields, trusted: [])
        return Passage(
            explaining: request.head,
            client: client,
            plan: try Plan(Configuration(), kinds: []),
            worker: Worker(index: 0),
            now: 0
        )
    }

    private static func original(_ fields: [(String, String)]) throws -> OriginalRequest {
        try OriginalRequest(
            Self.passage(fields),
            .fields,
            from: OriginalRequest.places,
            limits: ProxyLimits()
        )
    }

    // P1
    @Test(arguments: [
        [("x-original-url", "http://a.example/p"), ("x-rewrite-url", "http://b.example/p")],
        [("x-original-url", "http://a.example/p"), ("x-rewrite-url", "https://a.example/p")],
        [("x-original-url", "http://a.example/p"), ("x-rewrite-url", "http://a.example:8080/p")],
        [("x-original-uri", "/p"), ("x-rewrite-url", "http://b.example/p")],
        [("x-original-url", "http://b.example/p"), ("x-forwarded-uri", "/p")],
        [("x-original-uri", "/p"), ("x-forwarded-host", "a.example"), ("x-forwarded-host", "b.example")],
        [("x-original-uri", "/p"), ("x-forwarded-proto", "http"), ("x-forwarded-proto", "https")],
        [("x-original-uri", "/p"), ("x-forwarded-host", "a.example, b.example")],
        [("x-original-uri", "/p"), ("x-forwarded-host", "a.example/x")],
        [("x-original-uri", "/p"), ("x-forwarded-proto", "https, http")],
        [("x-original-uri", "/p"), ("x-forwarded-proto", "gopher")],
    ])
    func `fields that name two hosts, two schemes or none are a conflict`(_ fields: [(String, String)]) throws
    {
        let conflict = Refusal.forbidden(.init("conflicting-original-request"))
        #expect(throws: conflict) { try Self.original(fields) }
    }

    @Test(arguments: [
        [("x-original-url", "http://a.example/p"), ("x-rewrite-url", "http://a.example/p")],
        [("x-original-url", "http://a.example/p"), ("x-rewrite-url", "HTTP://A.example:80/p")],
        [
            ("x-original-uri", "/p"), ("x-original-url", "http://a.example/p"),
            ("x-forwarded-host", "a.example"),
        ],
        [("x-original-uri", "/p"), ("x-forwarded-host", "a.example")],
    ])
    func `fields that name the same request are one request`(_ fields: [(String, String)]) throws {
        let original = try Self.original(fields)
        #expect(original.head.hostText == "a.example")
        #expect(original.head.pathText == "/p")
    }
}
