// Cookies of plugins are kept from every upstream.
import Testing

@testable import Gateway
@testable import Proxy

struct OwnedCookiesTests {
    /// Keeps a cookie called `s`.
    private final class Owner: CookieOwner {
        func owns(cookie name: Span<UInt8>) -> Bool { name.count == 1 && name[0] == UInt8(ascii: "s") }
        func request(_ passage: Passage) throws(Refusal) -> Step { .proceed }
    }

    // K8
    @Test(
        arguments: [
            ("a=1; s=2; b=3", "a=1; b=3"), ("s=2", ""), ("a=1;b=2", nil), ("s=1;s=2;c", "c"), ("s", ""),
            ("a=1; s =2", "a=1"), ("S=1; ss=2", nil), ("", nil),
        ] as [(String, String?)]
    )
    func `owned cookies are taken out and the others stay`(_ field: String, _ rest: String?) {
        let left = OwnedCookies([Owner()]).without(field.utf8.span)
        #expect(left.map { String(decoding: $0, as: UTF8.self) } == rest)
    }

    /// A plan whose owner is bound to one route; another route has none.
    private func plan() throws -> Plan {
        let kind = PluginKind(
            name: "keep",
            order: .authenticate,
            schema: [],
            make: { _, _ throws(ConfigurationError) in Owner() }
        )
        return try GatewayTests.plan(
            [route("closed", ["/closed"]), route("open", ["/"])],
            plugins: [try instance("keep", PluginBinding(route: "closed"))],
            kinds: [kind]
        )
    }

    @Test(arguments: ["/closed", "/open"])
    func `H6 K8 no upstream sees a cookie of ours, whatever the route`(path: String) throws {
        for (cookies, sent) in [(["s=1"], nil), (["a=1; s=2"], "a=1"), (["a=1", "s=2"], "a=1")] {
            let request = try head("GET http://x\(path)", cookies.map { ("Cookie", $0) })
            let trip = try Trip(pipeline(plan()), request)
            #expect(trip.begin().orders.count == 1)
            #expect(trip.exchange.upstreamEdits.value(of: .cookie) == sent)
            #expect(trip.exchange.upstreamEdits.hides(Array("cookie".utf8), 0..<6, folding: true))
        }
        let trip = try Trip(pipeline(plan()), head("GET http://x\(path)", [("Cookie", "a=1; b=2")]))
        trip.begin()
        #expect(!trip.exchange.upstreamEdits.hides(Array("cookie".utf8), 0..<6, folding: true))
    }

    @Test(arguments: ["/closed", "/open"])
    func `K8 no upstream sets a cookie of ours, whatever the route`(path: String) throws {
        let trip = try Trip(pipeline(plan()), head("GET http://x\(path)"))
        trip.begin()
        var (parser, response) = (ResponseParser(limits: ProxyLimits()), ResponseHead())
        let fields = ["a=1", "s=evil; Path=/", " s =x", "ss=2"].map { "Set-Cookie: \($0)\r\n" }.joined()
        let text = "HTTP/1.1 200 OK\r\n\(fields)\r\n"
        parser.feed(text.utf8, to: &response)
        #expect(parser.advance(&response, answering: .get) == .complete(text.utf8.count))
        trip.pipeline.answered(trip.exchange, head: &response)
        #expect(response.fields.strings(of: .setCookie) == ["a=1", "ss=2"])
    }
}
