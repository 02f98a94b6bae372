// A gateway that remembers sessions, with its sessions in cookies or in a store.
import Fetch
import JSON
import Proxy
import Synchronization
import Testing

@testable import Access

/// Where sessions lie in a test.
enum SessionPlace: String, CaseIterable, Sendable {
    case cookie, store
}

/// A stage whose issuer renews tokens, each time under another name.
struct RememberingScene {
    static let here = "GET https://app.example/here?q=1"

    let stage: AccessStage
    let vault: MemoryVault?
    let browser = Browser()

    init(_ place: SessionPlace, _ config: [String: JSONValue] = [:]) throws {
        var made: MemoryVault?
        let usual: [String: JSONValue] = ["session_remember": true, "session_request_headers": ["id"]]
        let all = usual.merging(config) { _, new in new }
        if place == .store {
            stage = try AccessStage(
                all,
                vault: { clock in
                    let vault = MemoryVault { clock.now }
                    made = vault
                    return vault
                }
            )
        } else {
            stage = try AccessStage(all)
        }
        vault = made
    }

    /// Logs in; tokens are renewed from then on, and end after so many seconds.
    func logIn(_ seconds: JSONValue = 600, answer: [String: JSONValue] = [:]) async throws {
        let more = ["expires_in": seconds].merging(answer) { _, new in new }
        try await stage.logIn(browser, id: ["sid": "s-1"], answer: more)
        let number = Counter()
        stage.issuer.script("/token") { request throws(FetchError) in
            let number = number.next()
            let document: JSONValue = [
                "access_token": .string("renewed-\(number)"), "token_type": "Bearer", "expires_in": seconds,
                "refresh_token": .string("refresh-\(number)"),
            ]
            return FetchResponse(status: 200, body: document.serialized())
        }
    }

    func ask(from other: Browser? = nil, _ fields: [(String, String)] = []) async throws -> Outcome {
        try await stage.ask(Self.here, AccessStage.navigation + fields, from: other ?? browser)
    }

    /// Whether a browser is led to a login, and has nothing left that would bring a session back.
    func isShutOut(_ browser: Browser) async throws -> Bool {
        let outcome = try await ask(from: browser)
        return outcome.answer?.status == 302 && outcome.location?.contains("/authorize?") == true
            && !browser.cookies.keys.contains { $0.contains("remember") || $0.contains("session") }
    }
}

/// Counts from 2 on: the first tokens are the login's.
private final class Counter: Sendable {
    private let count = Mutex(1)
    func next() -> Int {
        count.withLock {
            $0 += 1; return $0
        }
    }
}
