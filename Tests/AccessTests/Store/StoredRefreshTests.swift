// Renewing a stored session's tokens: who may ask, what may be written, and what becomes of a result that was not stored.
import Cryptography
import Synchronization
import Testing

@testable import Access

@Suite(.timeLimit(.minutes(1)))
struct StoredRefreshTests {
    private let clock = ManualClock()
    private let vault: MemoryVault
    private let store: SessionStore

    init() throws {
        let clock = clock
        vault = MemoryVault { clock.now }
        store = try Self.store(vault, clock)
    }

    private static func store(_ vault: MemoryVault, _ clock: ManualClock) throws -> SessionStore {
        try SessionStore(
            vault,
            identity: "i",
            ring: SealingKeyRing(octets: [[UInt8](repeating: 1, count: 32)]),
            limits: SessionLimits(idling: 900, rolling: 3600, absolute: 86_400),
            graceSeconds: 0,
            clock: { clock.now }
        )
    }

    private func session(_ name: String = "id") -> Session {
        var session = Session(id: name, at: clock.now, issuer: "https://id.example", subject: "alice")
        session.accessToken = "old"
        session.accessTokenCame = clock.now
        session.accessTokenExpires = clock.now + 100
        session.refreshToken = "refresh-1"
        return session
    }

    /// A node: what it has not stored, and how often it asked.
    private final class Node: Sendable {
        let unstored: UnstoredResults
        let asked = Atomic<Int>(0)
        init() { unstored = UnstoredResults(Insistence()) }
        var count: Int { asked.load(ordering: .relaxed) }
    }

    private func refresh(
        _ node: Node,
        issuerSeconds: Double = 0.2,
        _ answer: @escaping @Sendable (Session) async -> RefreshOutcome
    ) -> StoredRefresh {
        StoredRefresh(
            store: store,
            id: "id",
            unstored: node.unstored,
            issuerSeconds: issuerSeconds,
            endsSession: true
        ) { session in
            node.asked.add(1, ordering: .relaxed)
            return await answer(session)
        }
    }

    /// The session with new tokens.
    private static func next(_ session: Session, _ token: String = "new", at now: Double) -> RefreshOutcome {
        var session = session
        session.accessToken = token
        session.accessTokenCame = now
        session.accessTokenExpires = now + 100
        session.refreshToken = "refresh-2"
        return .renewed(session)
    }

    private func renewing(_ node: Node) -> StoredRefresh {
        let clock = clock
        return refresh(node) { Self.next($0, at: clock.now) }
    }

    private static func token(_ outcome: StoredRefreshOutcome) -> String? {
        if case .renewed(let stored) = outcome { stored.session.accessToken } else { nil }
    }

    // A17
    @Test func `the first asks and stores, and whoever comes later takes what is there`() async throws {
        try await store.begin(session())
        clock.advance(by: 90)
        let (one, two) = (Node(), Node())
        #expect(Self.token(await renewing(one).run()) == "new")
        #expect(try await store.read("id")?.session.refreshToken == "refresh-2")
        #expect(Self.token(await renewing(two).run()) == "new")
        #expect(one.count == 1 && two.count == 0)
        #expect(vault.leaseCount == 0)
    }

    @Test func `of twenty nodes at once one asks, and all have its result`() async throws {
        try await store.begin(session())
        clock.advance(by: 90)
        let nodes = (0..<20).map { _ in Node() }
        let clock = clock
        let tokens = await withTaskGroup(of: String?.self) { group in
            for node in nodes {
                let refresh = refresh(node, issuerSeconds: 10) { session in
                    try? await Task.sleep(for: .milliseconds(50))
                    return Self.next(session, at: clock.now)
                }
                group.addTask { Self.token(await refresh.run()) }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(tokens == [String?](repeating: "new", count: 20))
        #expect(nodes.map(\.count).reduce(0, +) == 1)
    }

    // S4
    @Test func `a session that was ended meanwhile is not written back`() async throws {
        try await store.begin(session())
        clock.advance(by: 90)
        let (store, clock) = (store, clock)
        let outcome = await refresh(Node()) { session in
            _ = try? await store.end("id")
            return Self.next(session, at: clock.now)
        }.run()
        guard case .gone = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(vault.keys == [])
    }

    @Test func `a holder who comes late overwrites nothing`() async throws {
        try await store.begin(session())
        clock.advance(by: 90)
        let (store, clock) = (store, clock)
        let outcome = await refresh(Node()) { session in
            // Its lease is long over: another node has asked and stored.
            guard case .renewed(let other) = Self.next(session, "other", at: clock.now) else {
                return .unavailable
            }
            _ = try? await store.replace(other, after: 1)
            return Self.next(session, "late", at: clock.now)
        }.run()
        #expect(Self.token(outcome) == "other")
        #expect(try await store.read("id")?.session.accessToken == "other")
    }

    @Test func `a record that was only renewed meanwhile does not cost the new tokens`() async throws {
        try await store.begin(session())
        clock.advance(by: 90)
        let (store, clock) = (store, clock)
        let outcome = await refresh(Node()) { session in
            var renewed = session
            renewed.renewedAt = clock.now
            _ = try? await store.replace(renewed, after: 1)
            return Self.next(session, at: clock.now)
        }.run()
        #expect(Self.token(outcome) == "new")
        #expect(try await store.read("id")?.record.version == 3)
    }

    @Test func `a fatal answer ends the session, unless a newer result is there by now`() async throws {
        try await store.begin(session())
        clock.advance(by: 90)
        let (store, clock) = (store, clock)
        let raced = await refresh(Node()) { session in
            guard case .renewed(let other) = Self.next(session, "other", at: clock.now) else {
                return .unavailable
            }
            _ = try? await store.replace(other, after: 1)
            return .over(reason: "invalid-grant")
        }.run()
        #expect(Self.token(raced) == "other")
        clock.advance(by: 90)
        let fatal = await refresh(Node()) { _ in .over(reason: "invalid-grant") }.run()
        guard case .over("invalid-grant") = fatal else {
            Issue.record("\(fatal)")
            return
        }
        #expect(vault.keys == [])
    }

    @Test func `a transient failure leaves the session and the lease is free again`() async throws {
        try await store.begin(session())
        clock.advance(by: 90)
        guard case .unavailable = await refresh(Node(), { _ in .unavailable }).run() else {
            Issue.record("an issuer that is away is no end")
            return
        }
        #expect(try await store.read("id")?.session.accessToken == "old")
        #expect(vault.leaseCount == 0)
    }

    // A17
    @Test(arguments: [MemoryVault.Mood.down, .deaf])
    func `a result that was not stored is used by nobody, asked for by nobody, and stored in the end`(
        mood: MemoryVault.Mood
    ) async throws {
        try await store.begin(session())
        clock.advance(by: 90)
        let (vault, clock, node) = (vault, clock, Node())
        let refresh = refresh(node) { session in
            vault.set(mood)
            return Self.next(session, at: clock.now)
        }
        for _ in 0..<3 {
            guard case .down = await refresh.run() else {
                Issue.record("nothing that is not stored is used")
                return
            }
        }
        vault.set(.well)
        #expect(Self.token(await refresh.run()) == "new")
        #expect(node.count == 1)
        #expect(node.unstored.count == 0)
        #expect(try await store.read("id")?.session.refreshToken == "refresh-2")
    }

    @Test func `a result is stored by itself once the store is back, though nobody asks`() async throws {
        try await store.begin(session())
        clock.advance(by: 90)
        let (vault, clock, node) = (vault, clock, Node())
        _ = await refresh(node) { session in
            vault.set(.down)
            return Self.next(session, at: clock.now)
        }.run()
        #expect(node.unstored.count == 1)
        vault.set(.well)
        while node.unstored.count > 0 { await Task.yield() }
        #expect(try await store.read("id")?.session.accessToken == "new")
    }

    @Test func `right after the store is back nobody takes a lease: whoever has a result comes first`()
        async throws
    {
        try await store.begin(session())
        clock.advance(by: 90)
        let node = Node()
        vault.setUp(StoredRefresh.settlingSeconds - 0.01)
        guard case .down(let reason) = await renewing(node).run() else {
            Issue.record("nobody asks yet")
            return
        }
        #expect(reason == "lease-held" && node.count == 0)
        vault.setUp(StoredRefresh.settlingSeconds)
        #expect(Self.token(await renewing(node).run()) == "new")
    }

    @Test func `a lease whose holder is gone is over with its time`() async throws {
        try await store.begin(session())
        clock.advance(by: 90)
        #expect(try await store.lease("id", holder: "gone", seconds: 5))
        let node = Node()
        guard case .down("lease-held") = await renewing(node).run() else {
            Issue.record("the lease is held")
            return
        }
        clock.advance(by: 5)
        #expect(Self.token(await renewing(node).run()) == "new")
        #expect(node.count == 1)
    }

    @Test func `while the store is down nobody asks the issuer`() async throws {
        try await store.begin(session())
        clock.advance(by: 90)
        vault.set(.down)
        let node = Node()
        guard case .down = await renewing(node).run() else {
            Issue.record("nothing is known")
            return
        }
        #expect(node.count == 0)
    }
}
