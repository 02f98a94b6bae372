// traceparent is passed on or begun.
import Proxy
import Testing

@testable import Gateway

struct TraceContextTests {
    private static let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    @Test(arguments: [
        (good, true),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", true),
        ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true),
        ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later", true),
        ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.later", false),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later", false),
        ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", false),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false),
        ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", false),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g", false),
        ("00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
        ("", false),
    ])
    func `a valid one is passed on as it came, any other is replaced`(text: String, isValid: Bool) throws {
        let fields = [("traceparent", text), ("tracestate", "a=1")]
        let outcome = try Stage([]).ask("GET http://x/", fields)
        #expect((outcome.told(.traceparent) == nil) == isValid)
        #expect(outcome.upstream.removes(.traceparent) == !isValid)
        #expect(outcome.upstream.removes(.tracestate) == !isValid)
    }

    @Test func `where there is none, one is begun, and its state with it`() throws {
        let stage = try Stage([])
        let begun = try (1...20).map { _ in
            try #require(try stage.ask("GET http://x/", [("tracestate", "a=1")]).told(.traceparent))
        }
        #expect(begun.allSatisfy { TraceContext.isValid($0.utf8.span) })
        #expect(begun.allSatisfy { $0.hasPrefix("00-") && $0.hasSuffix("-00") })
        #expect(Set(begun.map { $0.prefix(35) }).count == 20)
        #expect(try stage.ask("GET http://x/", [("tracestate", "a=1")]).upstream.removes(.tracestate))
    }

    @Test func `two, or one that the connection takes away, are as none`() throws {
        let two = try Stage([]).ask(
            "GET http://x/",
            [("traceparent", Self.good), ("traceparent", Self.good)]
        )
        #expect(two.told(.traceparent) != nil)
        let gone = try Stage([]).ask(
            "GET http://x/",
            [("traceparent", Self.good), ("Connection", "traceparent")]
        )
        #expect(gone.told(.traceparent) != nil)
    }

    @Test func `the client never sees it`() throws {
        #expect(try Stage([]).ask().answered(.traceparent) == nil)
    }

    @Test func `a plugin's choice is left alone`() throws {
        let chosen = ScriptedPlugin.kind("choose") { passage throws(Refusal) in
            passage.upstream.remove(.traceparent)
            return .proceed
        }
        let outcome = try Stage([], others: [chosen]).ask("GET http://x/", [("traceparent", "bad")])
        #expect(outcome.told(.traceparent) == nil)
    }
}
