// An exchange goes its way: own paths, routes, plugins, upstream, log.
import JSON
import Proxy
import Synchronization
import Testing

@testable import Gateway

struct PipelineTests {
    private func text(_ answer: Answer?) -> String { String(decoding: answer?.body ?? [], as: UTF8.self) }

    private func message(_ answer: Answer?) throws -> String? {
        try JSONValue(parsing: answer?.body ?? [])["message"]?.string
    }

    @Test func `a request without a route gets Kong's 404`() throws {
        let trip = try Trip(pipeline(plan([])), head("GET http://x/"))
        let answer = trip.begin().answers.first
        #expect(answer?.status == 404)
        #expect(try self.message(answer) == "no Route matched with those values")
        #expect(try JSONValue(parsing: answer?.body ?? [])["request_id"]?.string == trip.passage?.requestID)
        #expect(trip.passage?.reason == "no-route")
        #expect(answer?.field("date")?.hasSuffix(" GMT") == true)
    }

    @Test func `a browser gets a page that loads nothing`() throws {
        let trip = try Trip(pipeline(plan([])), head("GET http://x/", [("Accept", "text/html,*/*")]))
        let answer = trip.begin().answers.first
        #expect(answer?.field("content-type") == "text/html; charset=utf-8")
        #expect(answer?.field("content-security-policy")?.hasPrefix("default-src 'none'") == true)
        #expect(answer?.field("content-security-policy")?.contains("frame-ancestors 'none'") == true)
        #expect(answer?.field("x-content-type-options") == "nosniff")
        #expect(self.text(answer).contains("no Route matched with those values"))
    }

    @Test func `a request that may pass is forwarded as its route says`() throws {
        var service = Service(id: "s", name: "s", host: "up", port: 8080, path: "/base")
        service.readTimeoutMilliseconds = 1500
        service.retries = 2
        let plan = try plan([route("r", ["/api"]) { $0.preservesHost = true }], service: service)
        let trip = try Trip(pipeline(plan), head("GET http://a.example:81/api/x?q=1"))
        let order = try #require(trip.begin().orders.first)
        #expect(order.terms.endpoint.description == "up:8080")
        #expect(order.words.target.map { String(decoding: $0, as: UTF8.self) } == "/base/x?q=1")
        #expect(order.words.host.map { String(decoding: $0, as: UTF8.self) } == "a.example:81")
        #expect(order.words.forwardedPrefix.map { String(decoding: $0, as: UTF8.self) } == "/api")
        #expect(order.terms.readSeconds == 1.5)
        #expect(order.terms.connectSeconds == 60)
        #expect(order.terms.retries == 2)
        #expect(order.terms.dropped == plan.identityFields)
    }

    @Test func `a client that names no host leaves the upstream its own (X1)`() throws {
        let plan = try plan([route("r", ["/"]) { $0.preservesHost = true }])
        let old = try RequestHead.parse(Array("GET /a HTTP/1.0\r\n\r\n".utf8))
        let order = try #require(try Trip(pipeline(plan), old).begin().orders.first)
        #expect(order.words.host == nil)
    }

    @Test func `a path that is not changed is sent as it came`() throws {
        let plan = try plan([route("r", ["/"])])
        let order = try #require(try Trip(pipeline(plan), head("GET http://x/a?b")).begin().orders.first)
        #expect(order.words.target == nil)
        #expect(order.words.host == nil)
    }

    @Test func `a route without a service answers 503 unless a plugin answers`() throws {
        let bare = try plan([route("r", ["/"]) { $0.service = nil }])
        let answer = try Trip(pipeline(bare), head("GET http://x/")).begin().answers.first
        #expect(answer?.status == 503)
        #expect(try self.message(answer) == "no Service found with those values")
    }

    @Test func `https is demanded where the route has nothing else`() throws {
        let secure = route("r", ["/"]) { $0.protocols = ["https"] }
        let moved = route("m", ["/m"]) { ($0.protocols, $0.httpsRedirectStatus) = (["https"], 301) }
        let plan = try plan([secure, moved])
        let answer = try Trip(pipeline(plan), head("GET http://x/")).begin().answers.first
        #expect(answer?.status == 426)
        #expect(try self.message(answer) == "Please use HTTPS protocol")
        let redirect = try Trip(pipeline(plan), head("GET http://x/m?a=b")).begin().answers.first
        #expect(redirect?.status == 301)
        #expect(redirect?.field("location") == "https://x/m?a=b")
        #expect(try Trip(pipeline(plan), head("GET https://x/"), scheme: .https).begin().orders.count == 1)
    }

    @Test func `a refusal is answered with its words and its challenge`() throws {
        let kind = ScriptedPlugin.kind("guard") { _ throws(Refusal) in
            throw .unauthenticated(.init("no-credential", challenges: ["Key realm=\"a\""], detail: "hidden"))
        }
        let plan = try plan([route("r", ["/"])], plugins: [try instance("guard")], kinds: [kind])
        let trip = try Trip(pipeline(plan), head("GET http://x/"))
        let answer = trip.begin().answers.first
        #expect(answer?.status == 401)
        #expect(answer?.field("www-authenticate") == "Key realm=\"a\"")
        #expect(try self.message(answer) == "Unauthorized")
        #expect(!self.text(answer).contains("hidden"))
        #expect(trip.passage?.reason == "no-credential")
    }

    // P5: a gateway that asks copies its client's Content-Type.
    @Test
    func `who reads a path of ours by its status is not told 200 of a refusal, whatever it calls itself`()
        throws
    {
        let call = [(name: "content-type", value: "application/grpc")]
        let plan = try plan([route("r", ["/"])])
        for refusal in [Refusal.forbidden(.init("no")), .failed(.init("no")), .misdirected] {
            let path = OwnPath(path: "/own", methods: [.get]) { _ throws(Refusal) in throw refusal }
            let trip = try Trip(pipeline(plan, ownPaths: [path]), head("GET http://x/own", call))
            #expect(trip.begin().answers.first?.status == refusal.status)
        }
        let original = try head("GET http://x/a", call)
        let callout = OwnPath(path: "/own", methods: [.get]) { passage throws(Refusal) in
            .callout(
                Callout(original: original, client: passage.client) { _, verdict in
                    guard case .answered(let answer) = verdict else { return Answer(status: 299) }
                    return answer
                }
            )
        }
        let pipeline = pipeline(plan, ownPaths: [callout])
        let trip = try Trip(pipeline, head("GET http://x/own", call))
        _ = trip.begin()
        #expect(pipeline.failed(trip.exchange, .decisionTimedOut).status == 503)
    }

    @Test func `a method that is never let in is told which are (X14)`() {
        let errors = ErrorAnswer(acceptsHTML: false, requestID: "1")
        let answer = errors.answer(RequestRefusal.methodNotAllowed)
        #expect(answer.status == 405)
        #expect(answer.field("allow") == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
        #expect(errors.answer(RequestRefusal.malformed(.host)).field("allow") == nil)
    }

    @Test
    func `a dependency that is down is 503 with Retry-After, and details are shown only when asked for`()
        throws
    {
        let answer = ErrorAnswer(acceptsHTML: false, requestID: "1").answer(
            Refusal.unavailable(
                retryAfterSeconds: 7,
                .init("issuer-unavailable", detail: "it sleeps", isDisplayed: true)
            )
        )
        #expect(answer.status == 503)
        #expect(answer.field("retry-after") == "7")
        #expect(self.text(answer).contains("(issuer-unavailable: it sleeps)"))
    }

    @Test(arguments: [
        (ProxyError.connectFailed, 502, "An invalid response was received from the upstream server"),
        (.nameNotResolved, 503, "name resolution failed"),
        (.answerTimedOut, 504, "The upstream server is timing out"),
    ])
    func `an upstream's failure has Kong's words`(error: ProxyError, status: Int, words: String) throws {
        let trip = try Trip(pipeline(plan([route("r", ["/"])])), head("GET http://x/"))
        trip.begin()
        let answer = trip.pipeline.failed(trip.exchange, error)
        #expect(answer.status == status)
        #expect(try self.message(answer) == words)
    }

    @Test func `what the guard refused is answered too`() throws {
        let trip = try Trip(pipeline(plan([])), RequestHead())
        let answer = trip.pipeline.refused(trip.exchange, .headTooLarge)
        #expect(answer.status == 431)
        #expect(trip.passage?.reason == "head-too-large")
    }

    // MARK: Own paths

    private let own = OwnPath(path: "/oauth2/start", methods: [.get]) { _ throws(Refusal) in
        .answer(.text(200, "own"))
    }

    @Test func `own paths come before routes, exactly`() throws {
        let plan = try plan([route("r", ["/"])])
        let line = pipeline(plan, ownPaths: [self.own])
        #expect(
            try self.text(Trip(line, head("GET http://x/oauth2/start?rd=/")).begin().answers.first) == "own"
        )
        for other in ["/oauth2/start/", "/oauth2/started", "/oauth2", "/OAUTH2/start"] {
            #expect(try Trip(line, head("GET http://x\(other)")).begin().orders.count == 1, "\(other)")
        }
        let wrong = try Trip(line, head("POST http://x/oauth2/start")).begin().answers.first
        #expect(wrong?.status == 405)
        #expect(wrong?.field("allow") == "GET")
    }

    @Test func `a callout judges the original request and forwards nothing`() throws {
        let kind = ScriptedPlugin.kind("guard") { passage throws(Refusal) in
            guard passage.request.pathText != "/secret" else { throw .forbidden(.init("no")) }
            return .proceed
        }
        let plan = try plan([route("r", ["/"])], plugins: [try instance("guard")], kinds: [kind])
        let auth = OwnPath(path: "/oauth2/auth", methods: [.get]) { passage throws(Refusal) in
            let url = passage.request.string(of: .xOriginalURL) ?? ""
            guard let written = try? WrittenRequest("GET \(url)") else { throw .malformed(.init("bad")) }
            let callout = Callout(original: written.head, client: written.client) { passage, verdict in
                switch verdict {
                case .passes: .text(202, passage.route?.title ?? "")
                case .answered(let answer): answer
                case .refused(let refusal): .text(refusal.status, refusal.reason)
                }
            }
            return .callout(callout)
        }
        let line = pipeline(plan, ownPaths: [auth])
        for (url, status) in [("https://x/open", 202), ("https://x/secret", 403)] {
            let trip = try Trip(line, head("GET http://g/oauth2/auth", [("X-Original-URL", url)]))
            #expect(trip.begin().answers.first?.status == status)
            #expect(trip.transport.orders.isEmpty)
            #expect(trip.passage?.door == .callout)
        }
        let lost = pipeline(try Plan(Configuration(), kinds: []), ownPaths: [auth])
        let trip = try Trip(lost, head("GET http://g/oauth2/auth", [("X-Original-URL", "https://x/")]))
        #expect(trip.begin().answers.first?.status == 403)
    }

    /// P3: what a gateway forwards is what is judged, so nothing that it tells reaches a route by another name.
    @Test func `no spelling leads out of a prefix of our own`() throws {
        let plan = try plan([route("r", ["/"])])
        let door = OwnPath(path: "/oauth2/ext-authz", methods: [.get], isPrefix: true) { _ throws(Refusal) in
            .answer(.text(200, "door"))
        }
        let line = pipeline(plan, ownPaths: [door])
        for path in [
            "/oauth2/ext-authz/a", "/oauth2/ext-authz/../../a", "/oauth2/ext-authz/a/../../../open",
            "/oauth2/ext-authz*",
        ] {
            let trip = try? Trip(line, head("GET http://x\(path)")).begin()
            #expect(trip?.orders.isEmpty ?? true, "\(path)")
        }
        let climbing = try Trip(line, head("GET http://x/oauth2/ext-authz/../../a")).begin()
        #expect(self.text(climbing.answers.first) == "door")
    }

    @Test func `a callout about a path of our own is refused`() throws {
        let plan = try plan([route("r", ["/"])])
        let auth = OwnPath(path: "/oauth2/auth", methods: [.get]) { passage throws(Refusal) in
            let url = passage.request.string(of: .xOriginalURL) ?? ""
            guard let written = try? WrittenRequest(url) else { throw .malformed(.init("bad")) }
            return .callout(
                Callout(original: written.head, client: written.client) { _, verdict in
                    if case .refused(let refusal) = verdict { return .text(403, refusal.reason) }
                    return .text(202, "")
                }
            )
        }
        let line = pipeline(plan, ownPaths: [self.own, auth])
        for (url, status) in [
            ("GET https://x/oauth2/start", 403), ("POST https://x/oauth2/start", 403),
            ("GET https://x/oauth2/auth", 403), ("GET https://x/oauth2/started", 202),
        ] {
            let trip = try Trip(line, head("GET http://g/oauth2/auth", [("X-Original-URL", url)])).begin()
            #expect(trip.answers.first?.status == status, "\(url)")
        }
    }

    // MARK: Identity, ids, plans

    /// A trace that goes on as it came, so that none is begun.
    private static let trace = (
        name: "traceparent", value: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    )

    @Test func `the upstream learns who it is for`() throws {
        let kind = ScriptedPlugin.kind("prove", .authenticate) { passage throws(Refusal) in
            passage.identity = Identity(
                consumer: Consumer(id: "c1", username: "carla", customID: "7"),
                groups: ["a", "b"],
                credentialIdentifier: "k1",
                method: "test"
            )
            return .proceed
        }
        let plan = try plan([route("r", ["/"])], plugins: [try instance("prove")], kinds: [kind])
        let trip = try Trip(pipeline(plan), head("GET http://x/", [Self.trace]))
        trip.begin()
        var expected = FieldEdits()
        try expected.set("x-consumer-id", "c1")
        try expected.set("x-consumer-username", "carla")
        try expected.set("x-consumer-custom-id", "7")
        try expected.set("x-credential-identifier", "k1")
        try expected.set("x-authenticated-groups", "a, b")
        try expected.set(.xRequestID, try #require(trip.passage).requestID)
        #expect("\(trip.exchange.upstreamEdits)" == "\(expected)")
    }

    /// H1: the upstream splits at commas, and must not find a group that nobody gave.
    @Test func `groups and identifiers that look alike stay apart`() throws {
        let kind = ScriptedPlugin.kind("prove", .authenticate) { passage throws(Refusal) in
            passage.identity = Identity(
                groups: ["x, admins", "x%2C admins", "caf\u{E9}"],
                credentialIdentifier: " caf\u{E9}%",
                method: "test"
            )
            return .proceed
        }
        let plan = try plan([route("r", ["/"])], plugins: [try instance("prove")], kinds: [kind])
        let trip = try Trip(pipeline(plan), head("GET http://x/", [Self.trace]))
        trip.begin()
        var expected = FieldEdits()
        try expected.set("x-credential-identifier", "%20caf%C3%A9%25")
        try expected.set("x-authenticated-groups", "x%2C admins, x%252C admins, caf%C3%A9")
        try expected.set(.xRequestID, try #require(trip.passage).requestID)
        #expect("\(trip.exchange.upstreamEdits)" == "\(expected)")
    }

    /// H3: a claim with a control octet must not become a field.
    @Test func `H3 a name that no field may hold is refused`() throws {
        let kind = ScriptedPlugin.kind("prove", .authenticate) { passage throws(Refusal) in
            passage.identity = Identity(
                consumer: Consumer(id: "c", username: "a\r\nX-Admin: 1"),
                method: "test"
            )
            return .proceed
        }
        let plan = try plan([route("r", ["/"])], plugins: [try instance("prove")], kinds: [kind])
        let trip = try Trip(pipeline(plan), head("GET http://x/"))
        #expect(trip.begin().answers.first?.status == 403)
        #expect(trip.passage?.reason == "unsafe-field-value")
        #expect(trip.transport.orders.isEmpty)
    }

    /// P1: a stranger's request id is not taken.
    @Test func `P1 a request id is kept from trusted peers alone`() throws {
        let plan = try plan([route("r", ["/"])])
        let request = try head("GET http://x/", [("X-Request-Id", "abc-1")])
        let stranger = try Trip(pipeline(plan), request)
        stranger.begin()
        #expect(stranger.passage?.requestID.count == 32)
        let friend = try Trip(pipeline(plan), request, trusted: true)
        friend.begin()
        #expect(friend.passage?.requestID == "abc-1")
        for bad in ["a b", "a\"b", String(repeating: "x", count: 129)] {
            let odd = try Trip(pipeline(plan), head("GET http://x/", [("X-Request-Id", bad)]), trusted: true)
            odd.begin()
            #expect(odd.passage?.requestID.count == 32, "\(bad)")
        }
    }

    @Test func `a new plan is seen by the next request, and a passage keeps its own`() throws {
        let old = try plan([route("old", ["/"])])
        let holder = PlanHolder(old)
        let line = Pipeline(
            worker: 0,
            holder: holder,
            settings: PipelineSettings(clock: { 0 })
        )
        let first = try Trip(line, head("GET http://x/"))
        first.begin()
        holder.replace(with: try plan([route("new", ["/"])], after: old))
        let second = try Trip(line, head("GET http://x/"))
        second.begin()
        #expect(first.passage?.plan === old)
        #expect(first.passage?.route?.name == "old")
        #expect(second.passage?.route?.name == "new")
        first.pipeline.ended(first.exchange, ExchangeRecord())
        second.pipeline.ended(second.exchange, ExchangeRecord())
        let counts = line.snapshot()
        #expect(counts.value(.exchanges(route: "old", status: 0)) == 1)
        #expect(counts.value(.exchanges(route: "new", status: 0)) == 1)
    }

    @Test func `a connection's passage forgets its last request`() throws {
        let kind = ScriptedPlugin.kind("prove", .authenticate) { passage throws(Refusal) in
            guard passage.request.pathText == "/known" else { return .proceed }
            passage.identity = Identity(subject: "u", method: "test")
            try? passage.upstream.set("x-user", "u")
            return .proceed
        }
        let plan = try plan([route("r", ["/"])], plugins: [try instance("prove")], kinds: [kind])
        let line = pipeline(plan)
        let first = try Trip(line, head("GET http://x/known"))
        first.begin()
        let passage = try #require(first.passage)
        let second = try Trip(line, head("GET http://x/other"))
        second.exchange.attachment = passage
        #expect(passage.identity != nil)
        passage.renew(plan: plan, now: 1, identifier: .given("2"))
        #expect(passage.identity == nil)
        #expect(passage.upstream.isEmpty)
        #expect(passage.match == nil)
    }

    @Test func `plugins see the answer's head in reverse, and may add to it`() throws {
        let kind = ScriptedPlugin.kind("one") { _ throws(Refusal) in .proceed }
        let plan = try plan([route("r", ["/"])], plugins: [try instance("one")], kinds: [kind])
        let trip = try Trip(pipeline(plan), head("GET http://x/"))
        trip.begin()
        var response = ResponseHead()
        trip.pipeline.answered(trip.exchange, head: &response)
        #expect(!trip.exchange.answerEdits.isEmpty)
        #expect(trip.passage?.answer.isEmpty == true)
    }
}
