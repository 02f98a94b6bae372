// Templates of request-transformer fill in what a request says, and nothing that could break out of its place.
import JSON
import Proxy
import Testing

@testable import Gateway

struct TemplateTests {
    private func stage(_ settings: JSONValue, path: String = "/", others: [PluginKind] = []) throws -> Stage {
        try Stage([(RequestTransformer.kind, settings)], path: path, others: others)
    }

    @Test(
        arguments: [
            ("$(headers.x-tenant)", "acme"), ("$(headers.X_Tenant)", "acme"),
            ("$(headers[\"X-Tenant\"])", "acme"),
            ("$(headers['x-tenant'])", "acme"), ("<$(query_params.q)>", "<a b>"),
            ("$(query_params['q'])", "a b"),
            ("$(headers.x-twice)", "1"), ("$(headers.host)", "x:81"), ("$(headers.x-none)", ""),
            ("$(query_params.none)", ""), ("$(uri_captures.none)", ""), ("$(uri_captures.id)", "7"),
            ("a$(uri_captures.id)-$(uri_captures.id)b", "a7-7b"), ("costs $1", "costs $1"),
        ]
    )
    func `a value holds what the request says`(written: String, sent: String) throws {
        let settings: JSONValue = ["add": ["headers": [.string("X-Out:\(written)")]]]
        let outcome = try self.stage(settings, path: "~/items/(?<id>[^/]*)").ask(
            "GET http://x:81/items/7/more?q=a%20b",
            [("X-Tenant", "acme"), ("X-Twice", "1"), ("X-Twice", "2")]
        )
        #expect(outcome.told("x-out") == sent)
    }

    @Test func `all see the request as it was before the rules`() throws {
        let settings: JSONValue = [
            "remove": ["headers": ["X-A"], "querystring": ["a"]],
            "replace": ["headers": ["X-B:$(headers.x-a)"]],
            "append": [
                "headers": ["X-B:$(headers.x-b)"], "querystring": ["b:$(query_params.a)/$(headers.x-a)"],
            ],
        ]
        let outcome = try self.stage(settings).ask("GET http://x/?a=1%262", [("X-A", "one"), ("X-B", "two")])
        #expect(outcome.upstream.values(of: "x-b") == [Array("one".utf8), Array("two".utf8)])
        #expect(outcome.order?.words.target.map { String(decoding: $0, as: UTF8.self) } == "/?b=1%262%2Fone")
    }

    /// H1, H2: what a client may not say, and what was taken away, no template brings back.
    @Test func `H1 H2 what does not go on is not there`() throws {
        let others = ScriptedPlugin.kind("prove", .authenticate, emits: ["x-role"]) {
            passage throws(Refusal) in
            passage.upstream.remove("apikey")
            passage.upstreamQuery = .replaced(nil)
            passage.identity = Identity(consumer: Consumer(id: "1", username: "ann"), method: "test")
            return .proceed
        }
        let settings: JSONValue = [
            "add": [
                "headers": [
                    "X-Out:<$(headers.x-role)$(headers.apikey)$(headers.x-consumer-id)$(query_params.apikey)>",
                    "X-User:$(headers.x-consumer-username)",
                ]
            ]
        ]
        let outcome = try self.stage(settings, others: [others]).ask(
            "GET http://x/?apikey=k",
            [("X-Role", "admin"), ("apikey", "k"), ("X-Consumer-Username", "root")]
        )
        #expect(outcome.told("x-out") == "<1>")
        #expect(outcome.told("x-user") == "ann")
    }

    @Test(arguments: ["%0d%0aX-Evil:%201", "%00", "a%0ab", "%7f"])
    func `a value that makes no safe header is refused`(value: String) throws {
        let settings: JSONValue = ["add": ["headers": ["X-Out:$(query_params.q)"]]]
        let outcome = try self.stage(settings).ask("GET http://x/?q=\(value)")
        #expect(outcome.answer?.status == 403 && !outcome.isForwarded)
        #expect(outcome.trip.passage?.reason == "unsafe-field-value")
    }

    @Test(
        arguments: [
            ("/v2/$(uri_captures.id)/x", "/items/7", "", "/v2/7/x"),
            ("/v2/$(uri_captures.id)", "/items/a%20b", "", "/v2/a%20b"),
            ("/v2/$(query_params.q)", "/items/7", "?q=a", "/v2/a?q=a"),
            ("/v2/$(query_params.q)", "/items/7", "?q=a%3fb", "/v2/a%3Fb?q=a%3fb"),
            // Out of its place, into another segment, or nothing at all.
            ("/v2/$(query_params.q)", "/items/7", "?q=..", nil),
            ("/v2/$(query_params.q)", "/items/7", "?q=.", nil),
            ("/v2/$(query_params.q)/x", "/items/7", "?q=", nil),
            ("/v2/$(query_params.q)/x", "/items/7", "", nil),
            ("/v2/$(query_params.q)", "/items/7", "?q=", nil), ("/v2/$(query_params.q)", "/items/7", "", nil),
            // A group that took nothing is the route's own doing.
            ("/v2/$(uri_captures.id)", "/items/", "", "/v2/"),
            ("/v2/.$(query_params.q)", "/items/7", "?q=.", nil),
            ("/v2/$(query_params.q)", "/items/7", "?q=a%2f..%2f..%2fadmin", nil),
        ] as [(String, String, String, String?)]
    )
    func `no value leads a path out of its place`(
        uri: String,
        path: String,
        query: String,
        sent: String?
    ) throws {
        let stage = try self.stage(["replace": ["uri": .string(uri)]], path: "~/items/(?<id>[^/]*)")
        let outcome = try stage.ask("GET http://x\(path)\(query)")
        #expect(outcome.order?.words.target.map { String(decoding: $0, as: UTF8.self) } == sent)
        #expect((outcome.answer?.status == 403) == (sent == nil))
    }
}
