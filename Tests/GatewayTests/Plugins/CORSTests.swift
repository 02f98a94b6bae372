// cors says who may read, on every answer, and answers preflights itself.
import JSON
import Proxy
import Testing

@testable import Gateway

struct CORSTests {
    private let app = "https://app.example.com"
    private let other = "https://evil.test"

    private func preflight(
        _ origin: String,
        _ more: [(name: String, value: String)] = []
    ) -> [(
        name: String, value: String
    )] {
        [("Origin", origin), ("Access-Control-Request-Method", "PUT")] + more
    }

    /// What a plain request from an origin is told.
    private func allowed(_ settings: JSONValue, _ origin: String?) throws -> String? {
        let fields = origin.map { [(name: "Origin", value: $0)] } ?? []
        return try Stage([(CORS.kind, settings)]).ask("GET http://x/", fields).answered(.allowOrigin)
    }

    // MARK: Origins

    @Test(
        arguments: [
            (["https://app.example.com", "https://b.test"], "https://app.example.com", true),
            (["https://app.example.com", "https://b.test"], "https://app.example.com.evil.test", false),
            (["https://app.example.com", "https://b.test"], "http://app.example.com", false),
            (["https://app.example.com:443", "https://b.test"], "https://app.example.com", true),
            (["https://app.example.com:8443", "https://b.test"], "https://app.example.com", false),
            (["HTTPS://App.Example.com", "https://b.test"], "https://app.example.com", true),
            ([#"https://[a-z]+\.example\.com"#], "https://app.example.com", true),
            ([#"https://[a-z]+\.example\.com"#], "https://app.example.com.evil.test", false),
            ([#"https://[a-z]+\.example\.com"#], "xhttps://app.example.com", false),
            ([#"^https://(a|app)\.example\.com$"#], "https://app.example.com", true),
            ([#"https://a\.test|https://a\.test\.x"#], "https://a.test.x", true),
            ([#".*\.example\.com"#], "http://app.example.com:8080", true),
            ([#".*\.example\.com"#], "https://example.com.evil.test", false),
            ([#"(a+)+b|https://b\.test"#], String(repeating: "a", count: 60), false),
        ] as [([String], String, Bool)]
    )
    func `an origin is on the list or is told nothing`(list: [String], origin: String, isListed: Bool) throws
    {
        let settings: JSONValue = ["origins": .array(list.map { .string($0) })]
        #expect(try self.allowed(settings, origin) == (isListed ? origin : nil))
    }

    @Test func `one origin alone is told to everybody, and any origin is a star`() throws {
        let one: JSONValue = ["origins": ["https://app.example.com"]]
        #expect(try self.allowed(one, self.app) == self.app)
        #expect(try self.allowed(one, self.other) == self.app)
        #expect(try self.allowed(one, nil) == self.app)
        #expect(try self.allowed([:], self.other) == "*")
        #expect(try self.allowed(["origins": ["https://a.test", "*"]], self.other) == "*")
    }

    @Test func `two origins in one request are on no list`() throws {
        let settings: JSONValue = ["origins": ["https://app.example.com", "https://b.test"]]
        let outcome = try Stage([(CORS.kind, settings)])
            .ask("GET http://x/", [("Origin", self.app), ("Origin", self.app)])
        #expect(outcome.answered(.allowOrigin) == nil)
    }

    @Test func `without an origin nothing is said where that is asked for`() throws {
        let silent: JSONValue = ["allow_origin_absent": false]
        #expect(try self.allowed(silent, nil) == nil)
        #expect(try self.allowed(silent, self.app) == "*")
    }

    @Test func `answers that differ by origin say so to caches`() throws {
        func vary(_ settings: JSONValue, _ origin: String) throws -> [String] {
            seen(try Stage([(CORS.kind, settings)]).ask("GET http://x/", [("Origin", origin)])).all("vary")
        }
        let list: JSONValue = ["origins": ["https://app.example.com", "https://b.test"]]
        #expect(try vary(list, self.app) == ["Origin"])
        #expect(try vary(list, self.other) == ["Origin"])
        #expect(try vary([:], self.app).isEmpty)
    }

    // MARK: Credentials

    @Test func `credentials are granted to listed origins alone`() throws {
        let list: JSONValue = [
            "origins": ["https://app.example.com", "https://b.test"], "credentials": true,
        ]
        let stage = try Stage([(CORS.kind, list)])
        #expect(try stage.ask("GET http://x/", [("Origin", self.app)]).answered(.allowCredentials) == "true")
        #expect(try stage.ask("GET http://x/", [("Origin", self.other)]).answered(.allowCredentials) == nil)
        let open = try Stage([(CORS.kind, ["credentials": true])])
        let answer = try open.ask("GET http://x/", [("Origin", self.other)])
        #expect(answer.answered(.allowOrigin) == "*")
        #expect(answer.answered(.allowCredentials) == nil)
    }

    @Test func `credentials for any origin are warned of`() throws {
        func warnings(_ settings: JSONValue) throws -> [String] {
            try Stage.plan([(CORS.kind, settings)]).warnings.map(\.message)
        }
        for settings in [["credentials": true], ["credentials": true, "origins": ["*"]]] as [JSONValue] {
            #expect(try warnings(settings).count == 1)
            #expect(try warnings(settings).first?.contains("list the origins") == true)
        }
        #expect(try warnings(["credentials": true, "origins": ["https://a.test"]]).isEmpty)
        #expect(try warnings([:]).isEmpty)
    }

    // MARK: Preflights

    @Test func `a preflight is answered, before anyone is asked for a credential`() throws {
        let login = ScriptedPlugin.kind("prove", .authenticate) { _ throws(Refusal) in
            throw .unauthenticated(.init("no-credential"))
        }
        let settings: JSONValue = [
            "origins": ["https://app.example.com", "https://b.test"], "credentials": true, "max_age": 600,
            "headers": ["X-A", "X-B"], "methods": ["GET", "PUT"], "exposed_headers": ["X-C"],
        ]
        let stage = try Stage([(CORS.kind, settings)], others: [login])
        let outcome = try stage.ask("OPTIONS http://x/", self.preflight(self.app))
        #expect(outcome.answer?.status == 200)
        #expect(outcome.answer?.body.isEmpty == true)
        #expect(outcome.answered(.allowOrigin) == self.app)
        #expect(outcome.answered(.allowCredentials) == "true")
        #expect(outcome.answered(.allowHeaders) == "X-A,X-B")
        #expect(outcome.answered(.allowMethods) == "GET,PUT")
        #expect(outcome.answered(.maxAge) == "600")
        #expect(outcome.answered(.exposeHeaders) == nil)
        let stranger = try stage.ask("OPTIONS http://x/", self.preflight(self.other))
        #expect(stranger.answer?.status == 200)
        for name in [FieldName.allowOrigin, .allowMethods, .allowHeaders, .allowCredentials] {
            #expect(stranger.answered(name) == nil)
        }
    }

    @Test func `what a preflight asks for is allowed where nothing is written`() throws {
        let stage = try Stage([(CORS.kind, ["private_network": true])])
        let outcome = try stage.ask(
            "OPTIONS http://x/",
            self.preflight(
                self.app,
                [
                    ("Access-Control-Request-Headers", "x-one, x-two"),
                    ("Access-Control-Request-Private-Network", "true"),
                ]
            )
        )
        #expect(outcome.answered(.allowHeaders) == "x-one, x-two")
        #expect(outcome.answered(.allowPrivateNetwork) == "true")
        #expect(outcome.answered(.allowMethods) == "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS,TRACE,CONNECT")
        let plain = try stage.ask("OPTIONS http://x/", self.preflight(self.app))
        #expect(plain.answered(.allowHeaders) == nil)
        #expect(plain.answered(.allowPrivateNetwork) == nil)
    }

    /// P6: a method opens nothing.
    @Test func `P6 any other OPTIONS needs what every request needs`() throws {
        let login = ScriptedPlugin.kind("prove", .authenticate) { _ throws(Refusal) in
            throw .unauthenticated(.init("no-credential"))
        }
        let stage = try Stage([(CORS.kind, [:])], others: [login])
        for fields in [[], [("Origin", self.app)], [("Access-Control-Request-Method", "PUT")]] {
            let outcome = try stage.ask("OPTIONS http://x/", fields.map { (name: $0.0, value: $0.1) })
            #expect(outcome.answer?.status == 401)
        }
        #expect(try stage.ask("GET http://x/", self.preflight(self.app)).answer?.status == 401)
        let continued = try Stage([(CORS.kind, ["preflight_continue": true])], others: [login])
        #expect(try continued.ask("OPTIONS http://x/", self.preflight(self.app)).answer?.status == 401)
    }

    @Test func `a preflight that goes on is the upstream's to answer`() throws {
        let stage = try Stage([(CORS.kind, ["preflight_continue": true])])
        let outcome = try stage.ask("OPTIONS http://x/", self.preflight(self.app))
        #expect(outcome.isForwarded)
        let fields = seen(outcome, [("Access-Control-Allow-Origin", "https://its.own")])
        #expect(fields.all("access-control-allow-origin") == ["https://its.own"])
    }

    // MARK: Answers

    @Test func `what the upstream says is replaced`() throws {
        let settings: JSONValue = [
            "origins": ["https://app.example.com", "https://b.test"], "exposed_headers": ["X-A"],
        ]
        let stage = try Stage([(CORS.kind, settings)])
        let said = [
            ("Access-Control-Allow-Origin", "*"), ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Expose-Headers", "X-Secret"), ("Access-Control-Allow-Methods", "DELETE"),
            ("X-Else", "stays"),
        ]
        let listed = seen(try stage.ask("GET http://x/", [("Origin", self.app)]), said)
        #expect(listed.all("access-control-allow-origin") == [self.app])
        #expect(listed.all("access-control-expose-headers") == ["X-A"])
        #expect(listed.all("access-control-allow-credentials").isEmpty)
        #expect(listed.all("access-control-allow-methods").isEmpty)
        #expect(listed.all("x-else") == ["stays"])
        let stranger = seen(try stage.ask("GET http://x/", [("Origin", self.other)]), said)
        #expect(stranger.all("access-control-allow-origin").isEmpty)
    }

    @Test func `refusals of ours can be read too`() throws {
        let login = ScriptedPlugin.kind("prove", .authenticate) { _ throws(Refusal) in
            throw .unauthenticated(.init("no-credential"))
        }
        let settings: JSONValue = [
            "origins": ["https://app.example.com", "https://b.test"], "credentials": true,
        ]
        let outcome = try Stage([(CORS.kind, settings)], others: [login])
            .ask("GET http://x/", [("Origin", self.app)])
        #expect(outcome.answer?.status == 401)
        #expect(outcome.answered(.allowOrigin) == self.app)
        #expect(outcome.answered(.allowCredentials) == "true")
    }

    static let wrong: [(JSONValue, String)] = [
        (
            ["origins": ["app.example.com"]],
            "origins: 'app.example.com' is no origin; expected scheme and host, such as https://app.example.com"
        ),
        (
            ["origins": ["https://app.example.com/"]],
            "origins: 'https://app.example.com/' is no origin; expected scheme and host, such as https://app.example.com"
        ),
        (["origins": ["null"]], "origins: 'null' is what any sandboxed page sends: it names nobody"),
        (
            ["origins": ["https://(a"]],
            "origins: the expression 'https://(a' is ill-formed at 10: missing closing parenthesis"
        ),
        (["headers": ["a b"]], "headers: 'a b' is no name of a header"),
        (["exposed_headers": ["a\nb"]], "exposed_headers: 'a\nb' is no name of a header"),
    ]

    @Test(arguments: wrong)
    func `settings that grant nothing known are errors`(_ json: JSONValue, _ message: String) {
        #expect(throws: ConfigurationError(at: .nowhere, message)) { try Stage([(CORS.kind, json)]) }
    }
}
