// Requests that are told in pieces meet the guard of those that come by themselves.
import Testing

@testable import Proxy

struct RequestPiecesTests {
    private static func head(
        _ method: String = "GET",
        _ path: String = "/a?b",
        _ authority: String = "shop.test",
        _ fields: [(String, String)] = []
    ) throws(RequestRefusal) -> RequestHead {
        var pieces = RequestPieces(
            method: method.utf8,
            scheme: .https,
            authority: authority.utf8,
            path: path.utf8
        )
        for (name, value) in fields { pieces.append(name.utf8, value.utf8) }
        return try pieces.head(limits: ProxyLimits())
    }

    @Test func `the pieces make a head`() throws {
        let head = try Self.head("PURGE", "/a/b?c=%20", "Shop.test:8443", [("x-a", "1"), ("cookie", "a=b")])
        #expect(head.methodText == "PURGE")
        #expect(head.pathText == "/a/b")
        #expect(head.queryText == "c=%20")
        #expect(head.hostText == "shop.test")
        #expect(head.port == 8443)
        #expect(head.string(of: "x-a") == "1")
        #expect(head.string(of: .cookie) == "a=b")
        #expect(head.framing == .none)
    }

    // E3, P5
    @Test(
        arguments: [
            ("GET /", "/", "a", []), ("GET", "/ HTTP/1.1\r\nx: y", "a", []), ("GET", "/", "a\r\nb: c", []),
            ("GET", "/", "a", [("x", "a\r\nb: c")]), ("GET", "/", "a", [("x: y\r\nz", "a")]),
            ("GET", "/", "a", [(":path", "/b")]), ("GET", "/", "a", [("host", "b")]), ("", "/", "a", []),
            ("GET", "", "a", []), ("GET", "/", "", []), ("GET", "b", "a", []), ("CONNECT", "/", "a", []),
            ("GET", "/", "a", [("X-Upper", "a")]), ("GET", "/", "a", [("content-length", "1")]),
            ("GET", "/#", "a", []), ("GET", "/", "a", [("x", String(repeating: "y", count: 40_000))]),
        ] as [(String, String, String, [(String, String)])]
    )
    func `pieces that could mean something else are refused`(
        _ method: String,
        _ path: String,
        _ authority: String,
        _ fields: [(String, String)]
    ) {
        #expect(throws: RequestRefusal.self) { try Self.head(method, path, authority, fields) }
    }

    // P1
    @Test func `a client that is told of is who was connected, or whom he names if he is trusted`() throws {
        let gateway = ClientFacts(peer: try #require(IPAddress("10.0.0.1")), isTrustedPeer: true)
        let trusted = [try #require(AddressRange("10.0.0.0/8"))]
        func client(_ source: String?, _ forwarded: [String]) -> ClientFacts {
            .told(
                by: gateway,
                source: source.flatMap { IPAddress($0) },
                forwardedFor: forwarded,
                scheme: .https,
                port: 443,
                certificate: nil,
                trusted: trusted
            )
        }
        let stranger = client("192.0.2.1", ["203.0.113.1"])
        #expect(stranger.address.description == "192.0.2.1")
        #expect(!stranger.isTrustedPeer)
        let hop = client("10.0.0.2", ["203.0.113.1, 192.0.2.1", "10.0.0.3"])
        #expect(hop.address.description == "192.0.2.1")
        #expect(hop.isTrustedPeer)
        #expect(client("10.0.0.2", []).address.description == "10.0.0.2")
        #expect(client(nil, ["192.0.2.1"]).address.description == "192.0.2.1")
        #expect(client(nil, []).peer == gateway.peer)
    }
}
