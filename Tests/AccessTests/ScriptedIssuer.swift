// An issuer that says what a test wants.
import Cryptography
import Fetch
import JOSE
import JSON
import OIDC
import Synchronization
import Testing

@testable import Access

/// A stand-in for the network: an issuer that answers by path, and counts.
final class ScriptedIssuer: HTTPClient {
    typealias Script = @Sendable (FetchRequest) throws(FetchError) -> FetchResponse

    private struct State {
        var scripts: [String: Script] = [:]
        var counts: [String: Int] = [:]
        var last: [String: FetchRequest] = [:]
        var isDown = false
        var elsewhere: (@Sendable (String) throws(FetchError) -> FetchResponse)?
    }

    let url = "https://id.example"
    private let state = Mutex(State())

    init(keys: [SigningKey]) throws {
        answer(
            "/.well-known/openid-configuration",
            [
                "issuer": .string(url), "authorization_endpoint": .string(url + "/authorize"),
                "token_endpoint": .string(url + "/token"), "jwks_uri": .string(url + "/jwks"),
                "userinfo_endpoint": .string(url + "/userinfo"),
                "introspection_endpoint": .string(url + "/introspect"),
                "end_session_endpoint": .string(url + "/logout"),
                "revocation_endpoint": .string(url + "/revoke"),
                "id_token_signing_alg_values_supported": ["ES256"],
            ]
        )
        try publish(keys)
    }

    func publish(_ keys: [SigningKey]) throws {
        answer("/jwks", ["keys": .array(try keys.map { try #require($0.key.publicJSON) })])
    }

    func answer(_ path: String, _ document: JSONValue, status: Int = 200) {
        script(path) { _ throws(FetchError) in FetchResponse(status: status, body: document.serialized()) }
    }

    func script(_ path: String, _ script: @escaping Script) { state.withLock { $0.scripts[path] = script } }

    func goDown(_ isDown: Bool = true) { state.withLock { $0.isDown = isDown } }

    func count(_ path: String) -> Int { state.withLock { $0.counts[path] ?? 0 } }

    /// A field of the last request for `path`.
    func field(_ path: String, _ name: String) -> String? {
        state.withLock { $0.last[path] }?.fields.first { $0.0.lowercased() == name.lowercased() }?.1
    }

    /// The form of the last request for `path`.
    func form(_ path: String) -> QueryArguments? {
        state.withLock { $0.last[path] }.flatMap { QueryArguments($0.body) }
    }

    /// Answers for all other issuers, by their URLs.
    func elsewhere(_ answer: @escaping @Sendable (String) throws(FetchError) -> FetchResponse) {
        state.withLock { $0.elsewhere = answer }
    }

    func fetch(_ request: FetchRequest) async throws(FetchError) -> FetchResponse {
        if !request.url.hasPrefix(url), let elsewhere = state.withLock({ $0.elsewhere }) {
            return try elsewhere(request.url)
        }
        let path = String(request.url.dropFirst(url.count).prefix { $0 != "?" })
        let (script, isDown) = state.withLock { state in
            state.counts[path, default: 0] += 1
            state.last[path] = request
            return (state.scripts[path], state.isDown)
        }
        guard !isDown, let script else { throw .connectionRefused }
        return try script(request)
    }
}
