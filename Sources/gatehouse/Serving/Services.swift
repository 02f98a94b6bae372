// What the plugins share, put together from the settings.
import Access
import Control
import Fetch
import Foundation
import Gateway
import OIDC

/// Wall time in seconds since 1970.
@Sendable func wallClock() -> Double { Date().timeIntervalSince1970 }

extension AccessServices {
    /// The services of a running program: keys from `keys_dir`, issuers' keys kept in `data_dir`.
    static func running(
        _ settings: ProgramSettings,
        events: any IssuerEvents,
        stores: StoreDesk,
        notice: @escaping @Sendable (String) -> Void
    ) throws -> AccessServices {
        for folder in [settings.keysDirectory, settings.dataDirectory] {
            Drafts.remove(from: folder, at: wallClock())
        }
        let keys = try settings.sealingKeys()
        let folder = settings.dataDirectory
        let ended: EndedSessions
        do {
            ended = try EndedSessions(in: folder, at: wallClock(), notice: notice)
        } catch {
            throw Failure(
                "\(folder)/ended-sessions cannot be read: \(error); it says whose sessions have ended"
            )
        }
        return try AccessServices(
            settings,
            keys: keys,
            signing: SigningKeys(try settings.signingKeys(), issuer: settings.tokenIssuer),
            dataDirectory: folder,
            events: events,
            vaults: stores.vaults(settings.trustedAuthorityFile),
            ended: ended
        )
    }

    /// The services of a command that only looks: nothing is read from or written to our folders.
    static func looking(_ settings: ProgramSettings) throws -> AccessServices {
        try AccessServices(
            settings,
            keys: SealingKeyRing(secret: "for looking only"),
            signing: SigningKeys(.unkept(), issuer: settings.tokenIssuer),
            dataDirectory: nil,
            events: UnheardIssuerEvents(),
            vaults: StoreDesk.unconnected(settings.trustedAuthorityFile),
            ended: EndedSessions()
        )
    }

    private init(
        _ settings: ProgramSettings,
        keys: SealingKeyRing,
        signing: SigningKeys,
        dataDirectory: String?,
        events: any IssuerEvents,
        vaults: VaultDirectory,
        ended: EndedSessions
    ) throws {
        if let file = settings.trustedAuthorityFile { try AuthorityFile.check(file) }
        let client = try CurlClient()
        let issuers = IssuerDirectory(
            client: client,
            dataDirectory: dataDirectory,
            clock: wallClock,
            events: events
        )
        try self.init(
            issuers: issuers,
            client: client,
            keys: keys,
            clock: wallClock,
            authPrefix: settings.authPrefix,
            redirectHosts: settings.redirectHosts.isEmpty ? nil : settings.redirectHosts,
            trustedCAFile: settings.trustedAuthorityFile,
            allowHTTPIssuers: settings.allowHTTPIssuers,
            tokenCacheBytes: settings.tokenCacheBytes,
            calloutHeaders: settings.calloutHeaders,
            limits: settings.limits,
            sessions: SessionServices(
                storage: settings.sessionStorage,
                graceSeconds: settings.sessionGraceSeconds,
                vaults: vaults
            ),
            ended: ended,
            signing: signing,
            introspectionGroup: settings.introspectionGroup
        )
    }
}

extension AccessServices {
    /// Waits a moment for what is still to be done when nobody is served any more.
    func finish() async {
        await self.revocations.finish(within: .seconds(5))
        _ = await self.endedSessions.settled()
    }

    /// Adds what is remembered of ended sessions to a snapshot.
    func add(to snapshot: inout MetricsSnapshot) {
        snapshot.set(MetricKey("gatehouse_ended_sessions"), to: Double(self.endedSessions.count))
        snapshot.count(
            MetricKey("gatehouse_ended_sessions_folded_total"),
            by: Double(self.endedSessions.folded)
        )
    }
}

extension ProgramSettings {
    /// Our own keys as they are in `keys_dir` now; made where there are none.
    func sealingKeys() throws(SealingKeyError) -> SealingKeyRing {
        try SealingKeyRing.load(self.keysDirectory, createIfMissing: true, at: wallClock())
    }

    /// The keys that sign, as they are in `keys_dir` now; made where there are none.
    func signingKeys() throws(KeyFolderError) -> SigningKeyRing {
        try SigningKeyRing.load(self.keysDirectory, at: wallClock())
    }
}

/// All plugins there are.
enum Plugins {
    /// What clients have used of their rates: outlives every plan.
    private static let counters = RateCounters()

    /// The list of all plugins stands here.
    static func all(_ services: AccessServices) -> [PluginKind] {
        AccessPlugins.kinds(services) + [
            AccessControlList.kind, TLSMetadataHeaders.kind, CORS.kind,
            CorrelationID.kind, IPRestriction.kind,
            RateLimiting.kind(Self.counters), RequestTermination.kind, RequestTransformer.kind,
            ResponseTransformer.kind, TLSHandshakeModifier.kind,
        ]
    }
}
