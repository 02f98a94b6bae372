// request-termination answers as its settings say.
import JSON
import Proxy
import Testing

@testable import Gateway

struct RequestTerminationTests {
    private func answer(
        _ settings: JSONValue,
        _ request: String = "GET http://x/",
        _ fields: [(name: String, value: String)] = []
    ) throws -> Answer? {
        let kind = RequestTermination.kind
        let plugin = PluginInstance(
            name: kind.name,
            id: "t",
            settings: try Settings(settings, schema: kind.schema)
        )
        let plan = try plan([route("r", ["/"]) { $0.service = nil }], plugins: [plugin], kinds: [kind])
        return try Trip(pipeline(plan), head(request, fields)).begin().answers.first
    }

    @Test func `by default it is 503 with Kong's words`() throws {
        let answer = try self.answer([:])
        #expect(answer?.status == 503)
        #expect(try JSONValue(parsing: answer?.body ?? [])["message"] == "Service unavailable")
    }

    @Test func `a message or a body is sent as written`() throws {
        let message = try self.answer(["status_code": 418, "message": "so \"long\""])
        #expect(message?.status == 418)
        #expect(try JSONValue(parsing: message?.body ?? [])["message"] == "so \"long\"")
        let body = try self.answer(["status_code": 200, "content_type": "text/plain", "body": "hi"])
        #expect(body?.field("content-type") == "text/plain")
        #expect(body?.body == Array("hi".utf8))
    }

    @Test func `a trigger lets everything else pass`() throws {
        let settings: JSONValue = ["trigger": "stop", "status_code": 204]
        #expect(try self.answer(settings)?.status == 503)
        #expect(try self.answer(settings, "GET http://x/?a=1&stop=")?.status == 204)
        #expect(try self.answer(settings, "GET http://x/", [("Stop", "1")])?.status == 204)
    }

    @Test func `an echo shows the request without its credentials`() throws {
        let answer = try self.answer(
            ["echo": true, "status_code": 200],
            "GET http://x/p",
            [("Cookie", "SECRET"), ("X-A", "b")]
        )
        let json = try JSONValue(parsing: answer?.body ?? [])
        #expect(json.value(at: ["request", "path"]) == "/p")
        #expect(json.value(at: ["request", "headers", "x-a"]) == "b")
        #expect(json.value(at: ["request", "headers", "cookie"]) == nil)
    }

    static let contradictions: [(JSONValue, String)] = [
        (["message": "a", "body": "b"], "message: goes with neither body nor content_type"),
        (["content_type": "a/b"], "content_type: needs a body"),
        (["echo": true, "body": "b"], "echo: goes with neither body nor message"),
        (["status_code": 199], "status_code: 1xx is no final answer; expected 200 to 599"),
    ]

    @Test(arguments: contradictions)
    func `settings that contradict each other are errors`(settings: JSONValue, message: String) {
        #expect(throws: ConfigurationError(at: .nowhere, message)) { try self.answer(settings) }
    }
}
