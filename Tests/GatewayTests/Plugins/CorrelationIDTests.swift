// correlation-id marks requests, or passes a sound mark on.
import JSON
import Proxy
import Testing

@testable import Gateway

struct CorrelationIDTests {
    private let name: FieldName = "kong-request-id"

    private func isUUID(_ text: Substring) -> Bool {
        text.wholeMatch(of: /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/) != nil
    }

    @Test func `by default a worker's UUID counts, and the client hears nothing`() throws {
        let stage = try Stage([(CorrelationID.kind, [:])])
        let marks = try (1...3).map { _ in try #require(try stage.ask().told(self.name)).split(separator: "#")
        }
        #expect(marks.map { $0[1] } == ["1", "2", "3"])
        #expect(Set(marks.map { $0[0] }).count == 1)
        #expect(self.isUUID(marks[0][0]))
        #expect(try stage.ask().answered(self.name) == nil)
    }

    @Test func `a UUID is new for each request`() throws {
        let stage = try Stage([(CorrelationID.kind, ["generator": "uuid"])])
        let marks = try (1...20).map { _ in try #require(try stage.ask().told(self.name)) }
        #expect(Set(marks).count == 20)
        #expect(marks.allSatisfy { self.isUUID($0[...]) })
    }

    @Test func `the echo is the upstream's mark, on refusals too`() throws {
        let refusing = ScriptedPlugin.kind("refuse", .authorize) { passage throws(Refusal) in
            guard passage.request.pathText != "/no" else { throw .forbidden(.init("no")) }
            return .proceed
        }
        let stage = try Stage([(CorrelationID.kind, ["echo_downstream": true])], others: [refusing])
        let passed = try stage.ask()
        #expect(passed.told(self.name) != nil)
        #expect(passed.answered(self.name) == passed.told(self.name))
        let refused = try stage.ask("GET http://x/no")
        #expect(refused.answer?.status == 403)
        #expect(refused.answered(self.name)?.hasSuffix("#2") == true)
    }

    @Test(arguments: [
        ("abc", true), (String(repeating: "x", count: 256), true),
        (String(repeating: "x", count: 257), false),
        ("", false), ("a b", false), ("a\"b", false), ("caf\u{E9}", false),
    ])
    func `a client's own mark stays if it is sound`(mark: String, stays: Bool) throws {
        let stage = try Stage([(CorrelationID.kind, ["echo_downstream": true])])
        let outcome = try stage.ask("GET http://x/", [("Kong-Request-ID", mark)])
        #expect((outcome.told(self.name) == nil) == stays)
        #expect((outcome.answered(self.name) == mark) == stays)
    }

    @Test func `two marks, or one that the connection takes away, are replaced`() throws {
        let stage = try Stage([(CorrelationID.kind, [:])])
        let two = try stage.ask("GET http://x/", [("Kong-Request-ID", "a"), ("Kong-Request-ID", "b")])
        #expect(two.told(self.name) != nil)
        let nominated = try stage.ask(
            "GET http://x/",
            [("Kong-Request-ID", "a"), ("Connection", "kong-request-id")]
        )
        #expect(nominated.told(self.name) != nil)
    }

    /// P1: strangers do not choose what the log calls the request.
    @Test func `P1 as X-Request-Id it is the log's, and only trusted peers bring their own`() throws {
        let stage = try Stage([
            (
                CorrelationID.kind,
                ["header_name": "X-Request-Id", "generator": "uuid", "echo_downstream": true]
            )
        ])
        let stranger = try stage.ask("GET http://x/", [("X-Request-Id", "mine")])
        let mark = try #require(stranger.told(.xRequestID))
        #expect(self.isUUID(mark[...]))
        #expect(stranger.trip.passage?.requestID == mark)
        #expect(stranger.answered(.xRequestID) == mark)
        let friend = try stage.ask("GET http://x/", [("X-Request-Id", "mine")], trusted: true)
        #expect(friend.told(.xRequestID) == "mine")
        #expect(friend.answered(.xRequestID) == "mine")
    }

    static let wrong: [(JSONValue, String)] = [
        (["header_name": "a b"], "header_name: expected the name of a header that may be passed on"),
        (["header_name": "Connection"], "header_name: expected the name of a header that may be passed on"),
        (
            ["generator": "tracker"],
            "generator: 'tracker' is known, but not served yet; use uuid or uuid#counter"
        ),
    ]

    @Test(arguments: wrong)
    func `settings that cannot be served are errors`(_ json: JSONValue, _ message: String) {
        #expect(throws: ConfigurationError(at: .nowhere, message)) {
            try Stage([(CorrelationID.kind, json)])
        }
    }
}
