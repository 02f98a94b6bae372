// request-transformer and response-transformer change what goes on, and nothing that frames it.
import JSON
import Proxy
import Testing

@testable import Gateway

struct RequestTransformerTests {
    private func stage(_ settings: JSONValue, others: [PluginKind] = []) throws -> Stage {
        try Stage([(RequestTransformer.kind, settings)], others: others)
    }

    private func target(_ settings: JSONValue, _ text: String) throws -> String? {
        try self.stage(settings).ask("GET http://x\(text)").order?.words.target
            .map { String(decoding: $0, as: UTF8.self) }
    }

    // MARK: Headers

    @Test func `each rule does its own`() throws {
        let settings: JSONValue = [
            "remove": ["headers": ["X-Gone"]], "rename": ["headers": ["X-Old:X-New"]],
            "replace": ["headers": ["X-There:new", "X-Absent:new"]],
            "add": ["headers": ["X-There:added", "X-Fresh: added "]],
            "append": ["headers": ["X-There:more", "X-List:more"]],
        ]
        let outcome = try self.stage(settings).ask(
            "GET http://x/",
            [("X-Gone", "1"), ("X-Old", "a"), ("X-Old", "b"), ("X-There", "old"), ("X-List", "one")]
        )
        let edits = outcome.upstream
        #expect(edits.removes("x-gone") && !edits.adds("x-gone"))
        #expect(edits.removes("x-old") && !edits.adds("x-old"))
        #expect(edits.values(of: "x-new") == [Array("a".utf8), Array("b".utf8)])
        #expect(edits.values(of: "x-there") == [Array("new".utf8), Array("more".utf8)])
        #expect(!edits.adds("x-absent"))
        #expect(outcome.told("x-fresh") == "added")
        #expect(outcome.told("x-list") == "more")
        #expect(!edits.removes("x-list"))
    }

    @Test func `the rules come one after the other`() throws {
        let settings: JSONValue = [
            "remove": ["headers": ["A"]], "rename": ["headers": ["A:B", "C:A"]],
            "replace": ["headers": ["A:2"]], "add": ["headers": ["A:3", "C:4"]],
            "append": ["headers": ["C:5"]],
        ]
        let edits = try self.stage(settings).ask("GET http://x/", [("A", "1"), ("C", "c")]).upstream
        #expect(!edits.adds("b"))
        #expect(edits.values(of: "a") == [Array("2".utf8)])
        #expect(edits.values(of: "c") == [Array("4".utf8), Array("5".utf8)])
    }

    /// H1, H2: a rule never takes a client's word for what is not passed on.
    @Test func `H1 H2 what a client may not say is not there for rules`() throws {
        let identity = ScriptedPlugin.kind("prove", .authenticate, emits: ["x-role"]) {
            passage throws(Refusal) in
            if passage.request.pathText == "/known" {
                passage.identity = Identity(
                    consumer: Consumer(id: "1", username: "ann"),
                    method: "test"
                )
            }
            return .proceed
        }
        let settings: JSONValue = [
            "rename": ["headers": ["X-Consumer-Username:X-User", "X-Role:X-Was"]],
            "add": ["headers": ["X-Tenant:ours", "X-Real-IP:none"]],
        ]
        let stage = try self.stage(settings, others: [identity])
        let lies = [
            ("X-Consumer-Username", "root"), ("X_Role", "admin"), ("X-Role", "admin"), ("X-Tenant", "theirs"),
            ("Connection", "x-tenant"), ("X-Real-IP", "1.2.3.4"),
        ].map { (name: $0.0, value: $0.1) }
        let stranger = try stage.ask("GET http://x/", lies)
        #expect(stranger.told("x-user") == nil)
        #expect(stranger.told("x-was") == nil)
        #expect(stranger.told("x-tenant") == "ours")
        #expect(stranger.told("x-real-ip") == "none")
        let known = try stage.ask("GET http://x/known", lies)
        #expect(known.told("x-user") == "ann")
        #expect(known.told("x-consumer-username") == nil)
        #expect(known.told("x-consumer-id") == "1")
    }

    @Test func `a credential that was taken away cannot be renamed`() throws {
        let hide = ScriptedPlugin.kind("hide", .authenticateByKey) { passage throws(Refusal) in
            passage.upstream.remove("apikey")
            return .proceed
        }
        let stage = try self.stage(["rename": ["headers": ["apikey:X-Copy"]]], others: [hide])
        #expect(try stage.ask("GET http://x/", [("apikey", "k")]).told("x-copy") == nil)
    }

    @Test func `an identity's fields can be taken away`() throws {
        let prove = ScriptedPlugin.kind("prove", .authenticate) { passage throws(Refusal) in
            passage.identity = Identity(consumer: Consumer(id: "1", username: "ann"), method: "test")
            return .proceed
        }
        let stage = try self.stage(["remove": ["headers": ["X-Consumer-Id"]]], others: [prove])
        let outcome = try stage.ask()
        #expect(outcome.told("x-consumer-id") == nil)
        #expect(outcome.told("x-consumer-username") == "ann")
    }

    // MARK: Query

    @Test(
        arguments: [
            (["remove": ["querystring": ["a"]]], "/?a=1&b=2&a=3&%61=4", "/?b=2"),
            (["remove": ["querystring": ["a"]]], "/?a", "/"),
            (["remove": ["querystring": ["a"]]], "/?b=%2f&c", "/?b=%2f&c"),
            (["rename": ["querystring": ["a:x y"]]], "/?a=%2f+1&b", "/?x%20y=%2f+1&b"),
            (["rename": ["querystring": ["a:b"]]], "/?b=old&a=new", "/?b=new"),
            (["replace": ["querystring": ["a:v&w=1"]]], "/?b&a=1&a=2", "/?b&a=v%26w%3D1"),
            (["replace": ["querystring": ["a:v"]]], "/?b", "/?b"),
            (["add": ["querystring": ["a:v"]]], "/?a=1", "/?a=1"),
            (["add": ["querystring": ["a:v"]]], "/", "/?a=v"),
            (["append": ["querystring": ["a:\u{E9}"]]], "/?a=1", "/?a=1&a=%C3%A9"),
        ] as [(JSONValue, String, String)]
    )
    func `arguments change as asked, and the others stay as they are`(
        settings: JSONValue,
        asked: String,
        sent: String
    ) throws {
        #expect(try self.target(settings, asked) == sent)
    }

    // MARK: Path, host, method

    @Test func `the path for the upstream is the one that is written`() throws {
        #expect(try self.target(["replace": ["uri": "/v2/./a"]], "/old?q=1") == "/v2/a?q=1")
        let both: JSONValue = ["replace": ["uri": "/v2"], "remove": ["querystring": ["q"]]]
        #expect(try self.target(both, "/old?q=1") == "/v2")
    }

    @Test func `a host is replaced, and none is sent twice`() throws {
        let outcome = try self.stage(["replace": ["headers": ["Host:in.example:81"]]]).ask()
        #expect(outcome.order?.words.host.map { String(decoding: $0, as: UTF8.self) } == "in.example:81")
        #expect(!outcome.upstream.adds(.host))
    }

    @Test func `a method is replaced, but HEAD's never`() throws {
        let stage = try self.stage(["http_method": "POST"])
        #expect(try stage.ask("GET http://x/").order?.words.method != nil)
        #expect(try stage.ask("HEAD http://x/").order?.words.method == nil)
        #expect(try self.stage([:]).ask("GET http://x/").order?.words.method == nil)
    }

    static let wrong: [(JSONValue, String)] =
        [
            "Content-Length", "Transfer-Encoding", "Connection", "Host", "TE", "Upgrade", "Keep-Alive",
            "content_length",
        ].map {
            (
                ["add": ["headers": [.string("\($0):1")]]],
                "add.headers: '\($0)' belongs to the connection; no rule may touch it"
            )
        } + [
            (
                ["remove": ["headers": ["Host"]]],
                "remove.headers: 'Host' belongs to the connection; no rule may touch it"
            ),
            (["add": ["headers": ["a b:1"]]], "add.headers: 'a b' is no name of a header"),
            (["add": ["headers": ["X-A"]]], "add.headers: 'X-A' has no value; expected name:value"),
            (
                ["append": ["headers": ["X-A:b\r\nX-B: c"]]],
                "append.headers: the value of 'X-A' holds a control character"
            ),
            (
                ["add": ["querystring": ["a:$(consumer.id)"]]],
                "add.querystring: '$(consumer.id)' is not served; write $(headers.NAME), $(query_params.NAME) or "
                    + "$(uri_captures.NAME), and no code"
            ),
            (
                ["append": ["headers": ["X-A:$(uri_captures[1])"]]],
                "append.headers: '$(uri_captures[1])' is not served; write $(headers.NAME), $(query_params.NAME) or "
                    + "$(uri_captures.NAME), and no code"
            ),
            (
                ["add": ["headers": ["X-A:$(headers.a or os.exit())"]]],
                "add.headers: '$(headers.a or os.exit()' is not served; write $(headers.NAME), $(query_params.NAME) or "
                    + "$(uri_captures.NAME), and no code"
            ),
            (
                ["replace": ["headers": ["X-A:$(shared.a)"]]],
                "replace.headers: '$(shared.a)': nothing is shared here; only Kong's own plugins do that"
            ),
            (["add": ["headers": ["X-A:$(headers.a"]]], "add.headers: '$(' has no ')' behind it"),
            (
                ["add": ["headers": ["X-A:$(headers.Cookie)"]]],
                "add.headers: cookies may be our sessions; no template reads them"
            ),
            (
                ["add": ["headers": ["X-A:$(headers['Transfer-Encoding'])"]]],
                "add.headers: 'Transfer-Encoding' belongs to the connection; nothing of it is passed on"
            ),
            (
                ["rename": ["headers": ["X-A:$(headers.b)"]]],
                "rename.headers: 'X-A:$(headers.b)': no request fills in $(…) here; write the value itself"
            ),
            (
                ["replace": ["headers": ["host:$(headers.b)"]]],
                "replace.headers: '$(headers.b)': no client chooses the host; write it"
            ),
            (
                ["replace": ["uri": "$(uri_captures.a)"]],
                "replace.uri: '$(uri_captures.a)' is no path; expected one such as /v2/$(uri_captures.id), without query"
            ),
            (
                ["replace": ["uri": "/a?b=$(headers.a)"]],
                "replace.uri: '/a?b=$(headers.a)' is no path; expected one such as /v2/$(uri_captures.id), without query"
            ),
            (
                ["replace": ["uri": "/a?b"]],
                "replace.uri: '/a?b' is no path; expected one such as /v2, without query"
            ),
            (
                ["replace": ["uri": "/a/%2e%2e/b"]],
                "replace.uri: '/a/%2e%2e/b' is no path; expected one such as /v2, without query"
            ),
            (
                ["replace": ["uri": "/a HTTP/1.1\r\nX: y"]],
                "replace.uri: '/a HTTP/1.1\r\nX: y' is no path; expected one such as /v2, without query"
            ),
            (["replace": ["headers": ["host:a b"]]], "replace.headers: 'a b' is no host"),
            (["replace": ["headers": ["host:a\r\nX: b"]]], "replace.headers: 'a\r\nX: b' is no host"),
            (
                ["rename": ["headers": ["Cookie:X-Cookie"]]],
                "rename.headers: 'Cookie:X-Cookie': cookies may be our sessions; they keep their name"
            ),
            (
                ["add": ["headers": ["X-Request-Id:1"]]],
                "add.headers: 'X-Request-Id': it is the gateway's own, see correlation-id"
            ),
            (["add": ["body": ["a:b"]]], "'add.body' is known, but not served yet; remove it"),
            (
                ["http_method": "HEAD"],
                "http_method: 'HEAD' cannot be sent instead; expected a method such as POST"
            ),
            (
                ["http_method": "post"],
                "http_method: 'post' cannot be sent instead; expected a method such as POST"
            ),
        ]

    @Test(arguments: wrong)
    func `rules that could break a request are errors`(_ json: JSONValue, _ message: String) {
        #expect(throws: ConfigurationError(at: .nowhere, message)) { try self.stage(json) }
    }
}

struct ResponseTransformerTests {
    private func seen(
        _ settings: JSONValue,
        _ fields: [(String, String)],
        _ kinds: [(PluginKind, JSONValue)] = []
    ) throws -> [(String, String)] {
        GatewayTests.seen(try Stage(kinds + [(ResponseTransformer.kind, settings)]).ask(), fields)
    }

    @Test func `each rule does its own`() throws {
        let settings: JSONValue = [
            "remove": ["headers": ["X-Gone"]], "rename": ["headers": ["X-Old:X-New"]],
            "replace": ["headers": ["X-There:new", "X-Absent:new"]],
            "add": ["headers": ["X-There:added", "X-Fresh:added"]],
            "append": ["headers": ["X-List:more"]],
        ]
        let fields = try self.seen(
            settings,
            [
                ("X-Gone", "1"), ("X-Old", "a"), ("X-Old", "b"), ("X-There", "old"), ("X-List", "one"),
                ("X-Else", "e"),
            ]
        )
        #expect(fields.all("x-gone").isEmpty && fields.all("x-old").isEmpty && fields.all("x-absent").isEmpty)
        #expect(fields.all("x-new") == ["a", "b"])
        #expect(fields.all("x-there") == ["new"])
        #expect(fields.all("x-fresh") == ["added"])
        #expect(fields.all("x-list") == ["one", "more"])
        #expect(fields.all("x-else") == ["e"])
    }

    @Test func `what other plugins say is there for rules`() throws {
        let limit = RateLimiting.kind(RateCounters())
        let settings: JSONValue = [
            "remove": ["headers": ["X-RateLimit-Limit-Minute"]],
            "rename": ["headers": ["RateLimit-Limit:X-Limit"]],
            "replace": ["headers": ["RateLimit-Reset:soon"]], "add": ["headers": ["RateLimit-Remaining:0"]],
        ]
        let fields = try self.seen(settings, [], [(limit, ["minute": 9])])
        #expect(fields.all("x-ratelimit-limit-minute").isEmpty)
        #expect(fields.all("x-limit") == ["9"])
        #expect(fields.all("ratelimit-limit").isEmpty)
        #expect(fields.all("ratelimit-reset") == ["soon"])
        #expect(fields.all("ratelimit-remaining") == ["8"])
    }

    static let wrong: [(JSONValue, String)] = [
        (
            ["remove": ["headers": ["Content-Length"]]],
            "remove.headers: 'Content-Length' belongs to the connection; no rule may touch it"
        ),
        (
            ["append": ["headers": ["Transfer-Encoding:gzip"]]],
            "append.headers: 'Transfer-Encoding' belongs to the connection; no rule may touch it"
        ),
        (
            ["rename": ["headers": ["X-Next:Set-Cookie"]]],
            "rename.headers: 'X-Next:Set-Cookie': cookies may be our sessions; they keep their name"
        ),
        (
            ["add": ["headers": ["X-A:b\nX-B: c"]]],
            "add.headers: the value of 'X-A' holds a control character"
        ),
        (["remove": ["json": ["a"]]], "'remove.json' is known, but not served yet; remove it"),
        (["add": ["json_types": ["string"]]], "'add.json_types' is known, but not served yet; remove it"),
        (["replace": ["headers": ["Host:a"]]], "replace: 'Host' belongs to requests"),
    ]

    @Test(arguments: wrong)
    func `rules that could break an answer are errors`(_ json: JSONValue, _ message: String) {
        #expect(throws: ConfigurationError(at: .nowhere, message)) {
            try Stage([(ResponseTransformer.kind, json)])
        }
    }
}
