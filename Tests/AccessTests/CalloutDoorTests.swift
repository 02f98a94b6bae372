// What every door makes of the same verdict.
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct CalloutDoorTests {
    private static let paths = ["auth", "forward-auth", "ext-authz"]

    /// Asks a door about a request to `app.example`.
    private static func ask(
        _ door: String,
        _ target: String = "/here?q=1",
        method: String = "GET",
        showing fields: [(String, String)] = [],
        from browser: Browser? = nil,
        on stage: AccessStage
    ) async throws -> Outcome {
        guard door == "ext-authz" else {
            let told = [("x-original-method", method), ("x-forwarded-uri", target)]
            let line = "GET https://app.example/oauth2/\(door)"
            return try await stage.ask(line, told + fields, from: browser, isTrusted: true)
        }
        let line = "\(method) https://app.example/oauth2/ext-authz\(target)"
        return try await stage.ask(line, fields, from: browser, isTrusted: true)
    }

    @Test(arguments: zip(paths, [202, 200, 200]))
    func `each door says yes in its own way`(_ door: String, _ yes: Int) async throws {
        let stage = try AccessStage()
        #expect(try await Self.ask(door, showing: try stage.bearer(), on: stage).answer?.status == yes)
        #expect(try await Self.ask(door, on: stage).answer?.status == 401)
        let forbidden = try AccessStage(["groups_required": ["owners"]])
        #expect(
            try await Self.ask(door, showing: try forbidden.bearer(), on: forbidden).answer?.status == 403
        )
    }

    // P1
    @Test(arguments: paths)
    func `a stranger may not ask at any door`(_ door: String) async throws {
        let stage = try AccessStage()
        let line = "GET https://app.example/oauth2/\(door)" + (door == "ext-authz" ? "/here" : "")
        let outcome = try await stage.ask(line, try stage.bearer() + [("x-original-uri", "/here")])
        #expect(outcome.reason == "untrusted-callout")
    }

    // MARK: Logins

    @Test func `a browser is led to the login, straight or by a field`() async throws {
        let stage = try AccessStage()
        for door in Self.paths {
            let outcome = try await Self.ask(door, showing: AccessStage.navigation, on: stage)
            let start = "/oauth2/start?rd=%2Fhere%3Fq%3D1"
            if door == "auth" {
                #expect(outcome.answer?.status == 401)
                #expect(outcome.answer?.field("x-auth-request-redirect") == start)
            } else {
                #expect(outcome.answer?.status == 302)
                #expect(outcome.location == "https://app.example" + start)
            }
        }
    }

    @Test(arguments: paths)
    func `who shows a bad token is told so, browser or not`(_ door: String) async throws {
        let stage = try AccessStage()
        let fields = AccessStage.navigation + [("authorization", "Bearer nonsense")]
        let outcome = try await Self.ask(door, showing: fields, on: stage)
        #expect(outcome.answer?.status == 401)
        #expect(outcome.answer?.field("x-auth-request-redirect") == nil)
        #expect(outcome.answer?.field("www-authenticate")?.contains("invalid_token") == true)
    }

    @Test(arguments: paths)
    func `a browser logs in before it is anybody`(_ door: String) async throws {
        let stage = try AccessStage(
            ["anonymous": "nobody"],
            consumers: [Consumer(id: "n", username: "nobody", customID: nil)]
        )
        let page = try await Self.ask(door, showing: AccessStage.navigation, on: stage)
        #expect(page.answer?.status == (door == "auth" ? 401 : 302))
        let api = try await Self.ask(door, on: stage)
        #expect(api.answer?.status == (door == "auth" ? 202 : 200))
        #expect(api.answer?.field("x-anonymous-consumer") == "true")
    }

    @Test(arguments: paths)
    func `a host that no login may come back to is refused`(_ door: String) async throws {
        let stage = try AccessStage(hosts: [], redirectHosts: ["other.example"])
        let outcome = try await Self.ask(door, showing: AccessStage.navigation, on: stage)
        #expect(outcome.answer?.status == 403)
    }

    // MARK: What goes on

    @Test(arguments: paths)
    func `every identity field is there, empty if unknown (H1)`(_ door: String) async throws {
        let stage = try AccessStage([
            "upstream_headers_claims": ["email"], "upstream_headers_names": ["X-Mail"],
        ])
        let answer = try #require(try await Self.ask(door, showing: try stage.bearer(), on: stage).answer)
        for name in stage.plan.identityNames { #expect(answer.field(name.description) != nil, "\(name)") }
        #expect(answer.field("x-mail") == "")
        #expect(answer.field("x-auth-request-user") == "alice")
    }

    @Test(
        arguments: zip(
            paths,
            ["x-auth-request-remove", "x-auth-request-remove", "x-envoy-auth-headers-to-remove"]
        )
    )
    func `what the upstream must not see is named as it is spelled (H1, H6)`(
        _ door: String,
        _ field: String
    ) async throws {
        let stage = try AccessStage(["upstream_access_token_header": ""])
        let fields =
            try stage.bearer() + [
                ("x_consumer_id", "spoofed"), ("X-Consumer.Username", "spoofed"),
                ("x-consumer-id", "spoofed"),
                ("x-auth-request-user", "spoofed"), ("x-other", "kept"),
            ]
        let answer = try #require(try await Self.ask(door, showing: fields, on: stage).answer)
        let names = Set((answer.field(field) ?? "").split(separator: ",").map { $0.drop { $0 == " " } })
        #expect(
            names.isSuperset(of: ["x_consumer_id", "x-consumer.username", "x-consumer-id", "authorization"])
        )
        #expect(names.isDisjoint(with: ["x-auth-request-user", "x-other", "x-credential-identifier"]))
        #expect(answer.field("authorization") == "")
    }

    @Test(arguments: paths)
    func `the upstream gets the client's other cookies and none of ours (H6)`(_ door: String) async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        browser.cookies["theirs"] = "1"
        let answer = try #require(try await Self.ask(door, from: browser, on: stage).answer)
        #expect(answer.field("cookie") == "theirs=1")
        let none = try #require(
            try await Self.ask(
                door,
                showing: try stage.bearer() + [("cookie", "a=b"), ("cookie", "c=d")],
                on: stage
            )
            .answer
        )
        #expect(none.field("cookie") == "a=b; c=d")
    }

    @Test(arguments: paths)
    func `each cookie has a field of its own`(_ door: String) async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        stage.clock.advance(by: 60)
        let outcome = try await Self.ask(door, from: browser, on: stage)
        let lines = outcome.setCookies
        #expect(lines.count == 1)
        #expect(outcome.answer?.field("x-auth-request-set-cookie-1") == lines.first)
        #expect(outcome.answer?.field("x-auth-request-set-cookie-2") == nil)
    }

    // H3
    @Test(arguments: paths)
    func `a claim that no field can carry lets nobody pass`(_ door: String) async throws {
        let stage = try AccessStage()
        let outcome = try await Self.ask(
            door,
            showing: try stage.bearer(["email": "a\u{0D}\u{0A}b"]),
            on: stage
        )
        #expect(outcome.answer?.status == 403)
        #expect(outcome.passage.reason == "unsendable-claim")
    }

    // P8
    @Test func `the original's own query at a callout's end is no rule, but no other is passed over`()
        async throws
    {
        let stage = try AccessStage()
        let told = try stage.bearer(["groups": ["dev"]])
        for (door, query, target, status) in [
            ("forward-auth", "a=1&b=%", "/here?a=1&b=%", 200), ("forward-auth", "a=1", "/here?a=2", 403),
            ("forward-auth", "a=1", "/here", 403), ("forward-auth", "allowed_groups=dev", "/here", 200),
            ("forward-auth", "allowed_groups=ops", "/here?allowed_groups=ops", 403),
            ("forward-auth", "a=1&allowed_groups=ops", "/here?a=1&allowed_groups=ops", 403),
            ("auth", "a=1", "/here?a=1", 403),
        ] {
            let line = "GET https://app.example/oauth2/\(door)?\(query)"
            let outcome = try await stage.ask(line, told + [("x-forwarded-uri", target)], isTrusted: true)
            let got = outcome.answer?.status ?? outcome.refusal?.status
            #expect(got == status, "\(query) \(target)")
        }
    }

    // MARK: Statuses

    @Test(arguments: [(429, 403), (404, 403), (400, 403), (302, 403), (401, 401), (403, 403), (503, 503)])
    func `nginx is told 403 where it knows no better, others the status`(_ status: Int, _ toNginx: Int) {
        let verdict = CalloutVerdict.refused(
            Answer(status: status, fields: [("Retry-After", "9")]),
            login: nil
        )
        let answer = CalloutDoor.authRequest("/oauth2").answer(verdict)
        #expect(answer.status == toNginx)
        #expect(answer.field("retry-after") == "9")
        #expect(CalloutDoor.forwardAuth("/oauth2").answer(verdict).status == status)
        #expect(CalloutDoor.externalAuthorization("/oauth2").answer(verdict).status == status)
    }

    @Test(arguments: [200, 204, 299])
    func `no answer of a plugin is taken for a yes`(_ status: Int) async throws {
        let stage = try AccessStage()
        let passage = try await Self.ask("forward-auth", on: stage).passage
        let verdict = CalloutVerdict(.answered(Answer(status: status)), passage, .none, authPrefix: "/oauth2")
        for door in CalloutDoor.all("/oauth2") { #expect(door.answer(verdict).status == 403) }
    }

    // P5: gRPC tells of its errors under 200.
    @Test(arguments: paths)
    func `a no about a call of gRPC is no yes, and says what gRPC calls it`(_ door: String) async throws {
        let call = [("content-type", "application/grpc")]
        let answer = try await Self.ask(door, showing: call, on: try AccessStage()).answer
        #expect(answer?.status == 401)
        #expect(answer?.field("grpc-status") == "16")
        let forbidden = try AccessStage(["groups_required": ["owners"]])
        let shown = try forbidden.bearer() + call
        #expect(try await Self.ask(door, showing: shown, on: forbidden).answer?.status == 403)
        let claim = try forbidden.bearer(["groups": "owners", "email": "a\u{0D}\u{0A}b"]) + call
        #expect(try await Self.ask(door, showing: claim, on: forbidden).answer?.status == 403)
    }

    @Test func `whatever a no consists of, no door tells it by the status of a yes`() {
        for status in [100, 200, 202, 204, 299] {
            let verdict = CalloutVerdict.refused(Answer(status: status), login: nil)
            for door in CalloutDoor.all("/oauth2") { #expect(door.answer(verdict).status == 403) }
        }
    }

    // MARK: The original request

    // P3
    @Test(arguments: [
        "/a/../b", "/a/.", "//a", "/a//b", "/a%2fb", "/a/%2e%2e/b", "/a;b", "/a%00", "/../../a", "*",
    ])
    func `a path that would be forwarded otherwise than it is judged is refused`(_ path: String) async throws
    {
        let stage = try AccessStage()
        for door in Self.paths
        where !(door == "ext-authz" && ["/a%2fb", "/a/%2e%2e/b", "/a;b", "/a%00"].contains(path)) {
            let outcome = try await Self.ask(door, path, showing: try stage.bearer(), on: stage)
            let status = outcome.answer?.status ?? outcome.refusal?.status
            #expect(status == 403, "\(door) \(path)")
        }
    }

    @Test(arguments: ["/", "/a/", "/.well-known/x", "/a...", "/...", "/a%20b", "/%C3%A9", "/a?b=//../c"])
    func `any other path is judged as it stands`(_ path: String) async throws {
        let stage = try AccessStage()
        for door in Self.paths {
            let outcome = try await Self.ask(door, path, showing: try stage.bearer(), on: stage)
            #expect([200, 202].contains(outcome.answer?.status), "\(door) \(path)")
        }
    }

    // P1
    @Test func `Envoy's callout is about its own host, whatever its client says of another`() async throws {
        let stage = try AccessStage()
        let lies = [("x-forwarded-host", "app.example"), ("x-original-url", "https://app.example/")]
        let line = "GET https://elsewhere.example/oauth2/ext-authz/here"
        let outcome = try await stage.ask(line, try stage.bearer() + lies, isTrusted: true)
        #expect(outcome.answer?.status == 403)
        #expect(outcome.passage.request.hostText == "elsewhere.example")
    }

    // P7
    @Test(arguments: paths)
    func `any method is asked about as it is spelled`(_ door: String) async throws {
        let stage = try AccessStage()
        for method in ["DELETE", "PURGE", "get"] {
            let outcome = try await Self.ask(door, method: method, showing: try stage.bearer(), on: stage)
            #expect(outcome.passage.request.methodText == method)
            #expect([200, 202].contains(outcome.answer?.status))
        }
    }
}
