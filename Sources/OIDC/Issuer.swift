// An issuer: its metadata and its keys, shared by all who rely on it.
package import Fetch
package import JOSE
import Synchronization

/// An issuer's metadata and keys, kept in memory and refreshed beside the traffic.
///
/// Everything that is known is read synchronously; only what must be asked for is waited for.
package final class Issuer: Sendable {
    /// What the configuration says about it.
    package let settings: IssuerSettings
    let line: IssuerLine
    private let discovery: Discovery
    private let keyCache: KeyCache
    /// Where questions about tokens wait for their turn.
    package let questions: QuestionGate

    init(_ line: IssuerLine, dataDirectory: String?) {
        self.settings = line.settings
        self.line = line
        self.discovery = Discovery(line)
        self.questions = QuestionGate(clock: line.clock)
        let file = dataDirectory.flatMap { KeyFile(line.settings, in: $0) }
        self.keyCache = KeyCache(line, discovery: self.discovery, file: file)
    }

    /// The metadata that is known, without asking.
    package var metadata: ProviderMetadata? { self.discovery.metadata }

    /// The keys that are known, without asking; stale ones are refreshed beside.
    package var keySnapshot: KeySnapshot { self.keyCache.snapshot }

    /// The version of the keys, without a lock while they are fresh.
    package var keysVersion: UInt64 { self.keyCache.version }

    /// The keys that are known, without asking.
    package var keys: JWKSet { self.keySnapshot.keys }

    /// Metadata that was seen within `seconds`, asked for anew if need be.
    ///
    /// A login asks with the default, so that it ends here with 503 and not at an issuer that is down;
    /// whoever only needs an endpoint asks with `.infinity`.
    package func ready(within seconds: Double = 5) async throws(OIDCError) -> ProviderMetadata {
        try await self.discovery.ready(within: seconds)
    }

    /// Newer keys for a token that names one we do not know: one fetch at a time, then a pause (J10).
    package func keysAfterUnknownKey(seen version: UInt64) async -> KeyLookup {
        await self.keyCache.refetch(seen: version)
    }

    /// Whether `keysAfterUnknownKey` could bring a key: false within its pause, when nobody need wait for it.
    package func mayBringKey(seen version: UInt64) -> Bool { self.keyCache.mayBringKey(seen: version) }

    /// Tokens of this issuer are judged with so many seconds of leeway: a clock that is further off is told of.
    package func judged(withLeeway seconds: Double) { self.line.issuerClock.judged(withLeeway: seconds) }

    /// Learns of the issuer's clock by a token that was just made for us.
    func noteClock(_ token: VerifiedToken, at now: Double) {
        guard let issued = token.issued else { return }
        self.line.issuerClock.saw(issued: issued.seconds, at: now)
    }

    /// Learns of the issuer's clock by a token that verified and is of the future.
    func noteClock(_ error: TokenError, at now: Double) {
        guard case .issuedInFuture(let ahead) = error, ahead < 86_400 else { return }
        self.line.issuerClock.saw(issued: now + ahead, at: now)
    }

    /// Discovers and takes the keys; a start does this in the background, and goes on if it fails.
    package func start() async {
        _ = try? await self.discovery.ready(within: .infinity)
        _ = await self.keyCache.load()
    }
}

/// All issuers of the program: equal settings share one, across plugins and plans.
package final class IssuerDirectory: Sendable {
    /// Lets go of an issuer when no plan holds it any more.
    private struct Entry: Sendable { weak let issuer: Issuer? }

    /// How often it is looked whether keys are due, in seconds.
    static let tickSeconds = 2.0

    private let client: any HTTPClient
    private let dataDirectory: String?
    private let clock: @Sendable () -> Double
    private let events: any IssuerEvents
    private let entries = Mutex<[IssuerSettings: Entry]>([:])

    /// A directory whose issuers ask through `client` and keep their keys in `dataDirectory`, if there is one.
    package init(
        client: any HTTPClient,
        dataDirectory: String?,
        clock: @escaping @Sendable () -> Double,
        events: any IssuerEvents
    ) {
        self.client = client
        self.dataDirectory = dataDirectory
        self.clock = clock
        self.events = events
    }

    /// The issuer of `settings`; nothing is fetched yet.
    package func issuer(for settings: IssuerSettings) throws(OIDCError) -> Issuer {
        try settings.check()
        return self.entries.withLock { entries in
            if let issuer = entries[settings]?.issuer { return issuer }
            entries = entries.filter { $0.value.issuer != nil }
            let line = IssuerLine(
                settings: settings,
                client: self.client,
                clock: self.clock,
                events: self.events
            )
            let issuer = Issuer(line, dataDirectory: self.dataDirectory)
            entries[settings] = Entry(issuer: issuer)
            return issuer
        }
    }

    /// Fetches keys ahead of need, whether anybody asks for them or not; ends when its task is cancelled.
    package func keepFresh() async {
        while !Task.isCancelled {
            do { try await Task.sleep(for: .seconds(Self.tickSeconds)) } catch { return }
            self.refreshDue()
        }
    }

    /// Begins the fetches that are due.
    func refreshDue() {
        for issuer in self.entries.withLock({ $0.values.compactMap(\.issuer) }) { _ = issuer.keySnapshot }
    }
}
