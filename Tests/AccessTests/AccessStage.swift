// A gateway without a wire: an issuer that says what a test wants, a clock, a plan, and browsers.
import Cryptography
import Fetch
import Foundation
import JOSE
import JSON
import OIDC
import Proxy
import Store
import Synchronization
import Testing

@testable import Access
@testable import Gateway

/// A clock that stands still.
final class ManualClock: Sendable {
    private let time: Mutex<Double>
    init(_ start: Double = 1_700_000_000) { time = Mutex(start) }
    var now: Double { time.withLock { $0 } }
    func advance(by seconds: Double) { time.withLock { $0 += seconds } }
}

/// A signing key with its public JWK.
struct SigningKey: Sendable {
    let key: JWK
    let algorithm = Algorithm.es256

    init(kid: String?) throws {
        key = JWK(.privateKey(try PrivateKey.generate(.elliptic(.p256))), kid: kid)
    }

    func sign(_ claims: JSONValue, header: [String: JSONValue] = [:]) throws -> String {
        try JWS.sign(claims: claims, key: key, algorithm, header: header)
    }
}

/// What became of a request.
struct Outcome {
    let verdict: Verdict
    let passage: Passage

    var refusal: Refusal? { if case .refused(let refusal) = verdict { refusal } else { nil } }
    var answer: Answer? { if case .answered(let answer) = verdict { answer } else { nil } }
    var passes: Bool { if case .passes = verdict { true } else { false } }
    var reason: String? { refusal?.reason }
    var location: String? { answer?.field("location") }

    /// The body that the upstream would get in place of the client's; nil for the client's own.
    var replacedBody: KeptBody? { (passage.note(at: Passage.spent) as? SpentForm)?.body }

    /// The fields that the upstream would get from us.
    func upstream(_ name: FieldName) -> String? { passage.upstream.value(of: name) }

    /// `Set-Cookie` values.
    var setCookies: [String] {
        passage.answer.added.filter { $0.name == "set-cookie" }.map(\.value)
    }
}

/// A browser: keeps cookies, nothing else.
final class Browser {
    var cookies: [String: String] = [:]
    /// Those that it forgets within a minute.
    var brief: [String: String] = [:]
    /// Names of those that outlive it, with the seconds that they may.
    var lasting: [String: Int] = [:]

    var field: String? {
        let all = cookies.merging(brief) { one, _ in one }
        return all.isEmpty
            ? nil : all.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: "; ")
    }

    func take(_ lines: [String]) {
        for line in lines {
            let pair = line.prefix { $0 != ";" }.split(
                separator: "=",
                maxSplits: 1,
                omittingEmptySubsequences: false
            )
            let (name, value) = (String(pair[0]), String(pair[1]))
            (cookies[name], brief[name], lasting[name]) = (nil, nil, nil)
            let age = line.split(separator: "; ").first { $0.hasPrefix("Max-Age=") }
            lasting[name] = age.flatMap { Int($0.dropFirst(8)) }
            guard !line.contains("Max-Age=0;") else { continue }
            if line.contains("Max-Age=60;") { brief[name] = value } else { cookies[name] = value }
        }
    }
}

extension Browser {
    /// Closes it and opens it again: what ends with the browser is gone.
    func restart() {
        cookies = cookies.filter { lasting[$0.key] != nil }
        brief = [:]
    }

    /// Another browser with the same cookies.
    func copy() -> Browser {
        let other = Browser()
        (other.cookies, other.lasting) = (cookies, lasting)
        return other
    }
}

/// The whole scene of a test.
struct AccessStage {
    let clock = ManualClock()
    let key: SigningKey
    let issuer: ScriptedIssuer
    let services: AccessServices
    let plan: Plan
    var worker = Worker(index: 0)

    static let usual: [String: JSONValue] = [
        "issuer": "https://id.example", "client_id": ["app"], "client_secret": ["app-secret-app-secret"],
    ]

    /// A route for `app.example` with one instance of the plugin.
    init(
        _ config: [String: JSONValue] = [:],
        consumers: [Consumer] = [],
        hosts: [String] = ["app.example"],
        redirectHosts: [String]? = nil,
        ended: EndedSessions = EndedSessions(),
        introspectionGroup: String? = nil,
        vault: ((ManualClock) -> any SessionVault)? = nil,
        graceSeconds: Double = 0
    ) throws {
        key = try SigningKey(kid: "one")
        issuer = try ScriptedIssuer(keys: [key])
        let (clock, issuer) = (clock, issuer)
        let directory = IssuerDirectory(
            client: issuer,
            dataDirectory: nil,
            clock: { clock.now },
            events: UnheardIssuerEvents()
        )
        services = try AccessServices(
            issuers: directory,
            client: issuer,
            keys: SealingKeyRing(octets: [[UInt8](repeating: 1, count: 32)]),
            clock: { clock.now },
            redirectHosts: redirectHosts,
            sessions: Self.sessions(vault?(clock), graceSeconds),
            ended: ended,
            introspectionGroup: introspectionGroup
        )
        var configuration = Configuration()
        configuration.services = [Service(id: "s", name: "s", host: "127.0.0.1", port: 9)]
        var route = Route(id: "r", name: "r", service: "s", paths: ["/"])
        route.hosts = hosts
        configuration.routes = [route]
        configuration.consumers = consumers
        let settings = try Settings(
            .object(Self.usual.merging(config) { _, new in new }.filter { !$0.value.isNull }),
            schema: OpenIDConnectFields.all
        )
        configuration.plugins = [PluginInstance(name: "openid-connect", id: "p", settings: settings)]
        plan = try Plan(configuration, kinds: AccessPlugins.kinds(services))
    }

    /// Sessions in a vault of the test's own, if it has one.
    private static func sessions(_ vault: (any SessionVault)?, _ graceSeconds: Double) -> SessionServices {
        guard let vault else { return .cookies }
        return SessionServices(
            storage: .redis(RedisAddress(.tcp(host: "store.example", port: 6379))),
            graceSeconds: graceSeconds,
            vaults: VaultDirectory { _ throws(RedisAddressError) in vault }
        )
    }

    // MARK: Requests

    /// The body of the request that is under way.
    @TaskLocal private static var body: [UInt8] = []

    /// Sends a request through the plan or to an own path.
    func ask(
        _ line: String,
        _ fields: [(String, String)] = [],
        from browser: Browser? = nil,
        isTrusted: Bool = false,
        body: String = "",
        tells: (inout ClientFacts) -> Void = { _ in }
    ) async throws -> Outcome {
        try await ask(
            line,
            fields,
            from: browser,
            isTrusted: isTrusted,
            octets: Array(body.utf8),
            tells: tells
        )
    }

    /// Sends a request with a body of any octets.
    func ask(
        _ line: String,
        _ fields: [(String, String)],
        from browser: Browser?,
        isTrusted: Bool = false,
        octets body: [UInt8],
        tells: (inout ClientFacts) -> Void = { _ in }
    ) async throws -> Outcome {
        var fields = fields
        if let cookies = browser?.field { fields.append(("cookie", cookies)) }
        let request = try WrittenRequest(line, fields: fields.map { (name: $0.0, value: $0.1) })
        let peer = try #require(IPAddress("192.0.2.7"))
        var client = ClientFacts(
            peer: peer,
            isTrustedPeer: isTrusted,
            scheme: request.scheme,
            port: request.scheme.defaultPort
        )
        tells(&client)
        let passage = Passage(
            explaining: request.head,
            client: client,
            plan: plan,
            worker: worker,
            now: clock.now,
            door: .proxy
        )
        let outcome = await Self.$body.withValue(body) { await judge(passage) }
        if !outcome.passes { passage.giveBack() }
        browser?.take(outcome.setCookies)
        return outcome
    }

    /// Asks by a call of gRPC with one message.
    func call(_ call: CheckCall, _ message: [UInt8], isTrusted: Bool) async throws -> Outcome {
        let passage = Passage(
            explaining: try WrittenRequest("POST https://calls.example\(call.own.path)").head,
            client: ClientFacts(peer: try #require(IPAddress("192.0.2.7")), isTrustedPeer: isTrusted),
            plan: plan,
            worker: worker,
            now: clock.now,
            door: .proxy
        )
        var step = call.serve(passage)
        if case .read(let reading) = step {
            step = try reading.resume(passage, .whole(GRPCMessage.answer(message).body))
        }
        if case .callout(let callout) = step { return await judge(callout) }
        return Outcome(verdict: try await carry(step, passage), passage: passage)
    }

    /// What a browser sends when a link is followed.
    static let navigation = [("accept", "text/html,*/*;q=0.8"), ("sec-fetch-mode", "navigate")]

    private func judge(_ passage: Passage) async -> Outcome {
        do throws(Refusal) {
            let paths = OwnPaths.all(services)
            let path = passage.request.pathText
            if let own = paths.first(where: {
                $0.path == path || ($0.isPrefix && passage.request.target.starts(with: $0.path.utf8))
            }), case let step = try own.serve(passage), !own.mayPass || !Self.isPast(step) {
                if case .callout(let callout) = step { return await judge(callout) }
                return Outcome(verdict: try await carry(step, passage), passage: passage)
            }
            let verdict = try await plugins(passage)
            if case .passes = verdict { plan.ownedCookies.hide(passage) }
            return Outcome(verdict: verdict, passage: passage)
        } catch {
            return Outcome(verdict: .refused(error), passage: passage)
        }
    }

    private static func isPast(_ step: Step) -> Bool {
        if case .proceed = step { true } else { false }
    }

    /// Judges a callout's original request, and answers as the callout does.
    private func judge(_ callout: Callout) async -> Outcome {
        let passage = Passage(
            explaining: callout.original,
            client: callout.client,
            plan: plan,
            worker: worker,
            now: clock.now,
            door: .callout
        )
        var verdict: Verdict
        do throws(Refusal) {
            verdict = try await plugins(passage)
            try passage.setIdentityFields()
        } catch {
            verdict = .refused(error)
        }
        return Outcome(verdict: .answered(callout.deliver(passage, verdict)), passage: passage)
    }

    private func plugins(_ passage: Passage) async throws(Refusal) -> Verdict {
        passage.found = try? plan.match(passage.request, from: passage.client)
        guard let planned = passage.match?.planned else {
            throw passage.door == .callout ? .forbidden(.init("no-route")) : .notFound(.init("no-route"))
        }
        for step in planned.steps {
            guard let plugin = step.plugin(for: passage.identity) else { continue }
            let verdict = try await carry(try plugin.request(passage), passage)
            guard case .passes = verdict else { return verdict }
        }
        return .passes
    }

    private func carry(_ step: Step, _ passage: Passage) async throws(Refusal) -> Verdict {
        var step = step
        while true {
            switch step {
            case .proceed: return .passes
            case .answer(let answer): return .answered(answer)
            case .callout: return .refused(.failed(.init("callout-within-callout")))
            case .read(let reading):
                let isShort = Self.body.count <= reading.limit
                step = try reading.resume(passage, isShort ? .whole(Self.body) : .tooLarge)
            case .wait(let inquiry): step = try await inquiry.work()(passage)
            }
        }
    }

    // MARK: Tokens

    /// Claims of a good access token, changed by `changes`; null removes one.
    func claims(_ changes: [String: JSONValue] = [:]) -> JSONValue {
        let usual: [String: JSONValue] = [
            "iss": .string(issuer.url), "sub": "alice", "aud": "app", "iat": .number(clock.now),
            "exp": .number(clock.now + 300), "scope": "read",
        ]
        return .object(usual.merging(changes) { _, new in new }.filter { !$0.value.isNull })
    }

    func bearer(_ changes: [String: JSONValue] = [:], by key: SigningKey? = nil) throws -> [(String, String)]
    {
        [("authorization", "Bearer \(try (key ?? self.key).sign(claims(changes)))")]
    }

    // MARK: Logins

    /// Begins a login; gives what the issuer is told.
    func begin(
        _ browser: Browser,
        _ line: String = "GET https://app.example/here?q=1"
    ) async throws -> QueryArguments {
        let outcome = try await ask(line, Self.navigation, from: browser)
        #expect(outcome.answer?.status == 302)
        let location = try #require(outcome.location)
        return try #require(QueryArguments(Array(location.utf8.drop { $0 != UInt8(ascii: "?") }.dropFirst())))
    }

    /// Lets the token endpoint answer a code.
    func grant(nonce: String, id: [String: JSONValue] = [:], answer: [String: JSONValue] = [:]) throws {
        let idToken = try key.sign(
            claims(["nonce": .string(nonce), "scope": .null].merging(id) { _, new in new })
        )
        let usual: [String: JSONValue] = [
            "access_token": "opaque-access", "token_type": "Bearer", "expires_in": 600,
            "refresh_token": "refresh-1",
            "id_token": .string(idToken),
        ]
        issuer.answer("/token", .object(usual.merging(answer) { _, new in new }.filter { !$0.value.isNull }))
    }

    /// Comes back from the issuer.
    func comeBack(_ browser: Browser, state: String, more: String = "&code=c-1") async throws -> Outcome {
        try await ask(
            "GET https://app.example/oauth2/callback?state=\(state)\(more)",
            Self.navigation,
            from: browser
        )
    }

    /// A whole login.
    @discardableResult
    func logIn(
        _ browser: Browser,
        id: [String: JSONValue] = [:],
        answer: [String: JSONValue] = [:]
    ) async throws -> Outcome {
        let asked = try await begin(browser)
        try grant(nonce: try #require(asked.single("nonce")), id: id, answer: answer)
        return try await comeBack(browser, state: try #require(asked.single("state")))
    }
}
