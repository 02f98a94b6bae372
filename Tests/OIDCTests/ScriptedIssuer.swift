// An issuer that says what a test wants, and a clock that moves when told.
import Cryptography
import Fetch
import JOSE
import JSON
import Synchronization
import Testing

@testable import OIDC

/// A clock that stands still.
final class ManualClock: Sendable {
    private let time = Mutex(1_700_000_000.0)
    var now: Double { self.time.withLock { $0 } }
    func advance(by seconds: Double) { self.time.withLock { $0 += seconds } }
}

/// A signing key with its public JWK.
struct SigningKey: Sendable {
    let key: JWK
    let algorithm: Algorithm

    init(kid: String?, _ algorithm: Algorithm = .es256) throws {
        let kind: KeyKind = algorithm == .rs256 ? .rsa(bits: 2048) : .elliptic(.p256)
        self.key = JWK(.privateKey(try PrivateKey.generate(kind)), kid: kid)
        self.algorithm = algorithm
    }

    var json: JSONValue {
        get throws { try #require(self.key.publicJSON) }
    }

    func sign(_ claims: JSONValue, header: [String: JSONValue] = [:]) throws -> String {
        try JWS.sign(claims: claims, key: self.key, self.algorithm, header: header)
    }
}

/// Keys are dear to make: one set for all tests.
enum TestKeys {
    static let first = Result { try SigningKey(kid: "one") }
    static let second = Result { try SigningKey(kid: "two") }
    static let rsa = Result { try SigningKey(kid: "rsa", .rs256) }
}

/// A stand-in for the network: answers by URL, counts, and holds answers back until told.
final class ScriptedIssuer: HTTPClient, IssuerEvents {
    typealias Script = @Sendable (FetchRequest) throws(FetchError) -> FetchResponse

    private struct State {
        var scripts: [String: Script] = [:]
        var requests: [FetchRequest] = []
        var held: Set<String> = []
        var waiting: [CheckedContinuation<Void, Never>] = []
        var watchers: [(url: String, count: Int, continuation: CheckedContinuation<Void, Never>)] = []
        var outcomes: [String] = []
        var skews: [Double] = []
        var keyNews: [KeyNews] = []
        var clockNews: [ClockNews] = []
    }

    let issuer: String
    private let state = Mutex(State())

    init(_ issuer: String = "https://id.example", keys: [SigningKey]) throws {
        self.issuer = issuer
        try self.publish(keys)
        self.answer("/.well-known/openid-configuration", self.metadata)
    }

    var metadata: JSONValue {
        [
            "issuer": .string(self.issuer), "authorization_endpoint": .string(self.issuer + "/authorize"),
            "token_endpoint": .string(self.issuer + "/token"), "jwks_uri": .string(self.issuer + "/jwks"),
            "userinfo_endpoint": .string(self.issuer + "/userinfo"),
            "introspection_endpoint": .string(self.issuer + "/introspect"),
            "end_session_endpoint": .string(self.issuer + "/logout?x=1"),
            "id_token_signing_alg_values_supported": ["ES256", "RS256", "HS256", "none"],
        ]
    }

    func publish(_ keys: [SigningKey], fields: [(String, String)] = []) throws {
        let document: JSONValue = ["keys": .array(try keys.map { try $0.json })]
        self.answer("/jwks", document, fields: fields)
    }

    func answer(_ path: String, _ document: JSONValue, status: Int = 200, fields: [(String, String)] = []) {
        self.script(path) { _ throws(FetchError) in
            FetchResponse(status: status, fields: fields, body: document.serialized())
        }
    }

    func answer(_ path: String, status: Int, text: String) {
        self.script(path) { _ throws(FetchError) in FetchResponse(status: status, body: Array(text.utf8)) }
    }

    func fail(_ path: String, _ error: FetchError) {
        self.script(path) { _ throws(FetchError) in throw error }
    }

    func script(_ path: String, _ script: @escaping Script) {
        self.state.withLock { $0.scripts[self.issuer + path] = script }
    }

    /// Makes requests for `path` wait until `release`.
    func hold(_ path: String) { _ = self.state.withLock { $0.held.insert(self.issuer + path) } }

    func release() {
        let waiting = self.state.withLock { state in
            state.held = []
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    func count(_ path: String) -> Int {
        self.state.withLock { state in state.requests.count { $0.url == self.issuer + path } }
    }

    var lastRequest: FetchRequest? { self.state.withLock { $0.requests.last } }
    var outcomes: [String] { self.state.withLock { $0.outcomes } }
    var skews: [Double] { self.state.withLock { $0.skews } }
    var keyNews: [KeyNews] { self.state.withLock { $0.keyNews } }
    var clockNews: [ClockNews] { self.state.withLock { $0.clockNews } }

    /// Waits until `path` was asked for `count` times.
    func reached(_ path: String, count: Int = 1) async {
        await withCheckedContinuation { continuation in
            let isThere = self.state.withLock { state in
                let url = self.issuer + path
                if state.requests.count(where: { $0.url == url }) >= count { return true }
                state.watchers.append((url, count, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    func fetch(_ request: FetchRequest) async throws(FetchError) -> FetchResponse {
        let reached = self.state.withLock { state in
            state.requests.append(request)
            let count = state.requests.count { $0.url == request.url }
            let met = state.watchers.filter { $0.url == request.url && count >= $0.count }
            state.watchers.removeAll { $0.url == request.url && count >= $0.count }
            return met
        }
        for watcher in reached { watcher.continuation.resume() }
        await withCheckedContinuation { continuation in
            let isHeld = self.state.withLock { state in
                guard state.held.contains(request.url) else { return false }
                state.waiting.append(continuation)
                return true
            }
            if !isHeld { continuation.resume() }
        }
        guard let script = self.state.withLock({ $0.scripts[request.url] }) else {
            throw .connectionRefused
        }
        return try script(request)
    }

    func fetched(issuer: String, request: IssuerRequest, outcome: String) {
        self.state.withLock { $0.outcomes.append("\(request.rawValue) \(outcome)") }
    }
    func tookKeys(issuer: String, _ news: KeyNews) { self.state.withLock { $0.keyNews.append(news) } }
    func sawClock(issuer: String, aheadBySeconds seconds: Double, by source: ClockSource) {
        self.state.withLock { $0.skews.append(seconds) }
    }
    func clockChanged(issuer: String, _ news: ClockNews) { self.state.withLock { $0.clockNews.append(news) } }
}

/// An issuer, us as its client, and the clock between.
struct Stage: Sendable {
    let clock = ManualClock()
    let remote: ScriptedIssuer
    let directory: IssuerDirectory
    let issuer: Issuer
    var party: RelyingParty
    let key: SigningKey
    let other: SigningKey

    init(dataDirectory: String? = nil, _ edit: (inout IssuerSettings) -> Void = { _ in }) throws {
        self.key = try TestKeys.first.get()
        self.other = try TestKeys.second.get()
        self.remote = try ScriptedIssuer(keys: [self.key])
        let clock = self.clock
        self.directory = IssuerDirectory(
            client: self.remote,
            dataDirectory: dataDirectory,
            clock: { clock.now },
            events: self.remote
        )
        var settings = try IssuerSettings(issuer: self.remote.issuer)
        edit(&settings)
        self.issuer = try self.directory.issuer(for: settings)
        self.party = RelyingParty(issuer: self.issuer, clientID: "app", clientSecret: Secret(utf8: "s3cret"))
    }

    var now: NumericDate { NumericDate(seconds: self.clock.now) }

    /// The claims of a good ID token, changed by `changes`; null removes one.
    func idClaims(_ changes: [String: JSONValue] = [:]) -> JSONValue {
        var claims: [String: JSONValue] = [
            "iss": .string(self.remote.issuer), "sub": "alice", "aud": "app", "nonce": "n-0",
            "iat": .number(self.clock.now), "exp": .number(self.clock.now + 300),
        ]
        for (name, value) in changes { claims.updateValue(value, forKey: name) }
        claims = claims.filter { !$0.value.isNull }
        return .object(claims)
    }

    /// The claims of a good access token.
    func accessClaims(_ changes: [String: JSONValue] = [:]) -> JSONValue {
        self.idClaims(["nonce": .null, "scope": "openid"].merging(changes) { _, new in new })
    }
}
