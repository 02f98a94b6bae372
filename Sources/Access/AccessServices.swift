// What the plugins and paths of this room need from the program.
package import Cryptography
package import Fetch
import Gateway
import JOSE
package import OIDC
package import Proxy
import Synchronization

/// Everything that outlives a plan and that all instances share.
package struct AccessServices: Sendable {
    /// The issuers, one for equal settings.
    package let issuers: IssuerDirectory
    /// Asks the outside world.
    package let client: any HTTPClient
    /// The keys that seal cookies; a reload takes them anew for the plugins that it makes.
    package var keys: SealingKeyRing
    /// Wall time, in seconds since 1970.
    package let clock: @Sendable () -> Double
    /// Where our own paths begin: `/oauth2`.
    package let authPrefix: String
    /// Hosts to which a login or a logout may lead; nil for the routes' exact hosts.
    package let redirectHosts: [String]?
    /// A PEM file of authorities for issuers; nil for the system's.
    package let trustedCAFile: String?
    /// Whether issuers may be reached by plain http beyond loopback.
    package let allowHTTPIssuers: Bool
    /// Bound of each worker's memory of proven tokens and sessions.
    package let tokenCacheBytes: Int
    /// The fields that a callout's original request is read from, of those that there are.
    let originalRequestFields: [FieldName]
    /// What the listener lets in; a callout's original request meets the same guard.
    let limits: ProxyLimits
    let state: AccessState

    /// Gathers what is needed.
    package init(
        issuers: IssuerDirectory,
        client: any HTTPClient,
        keys: SealingKeyRing,
        clock: @escaping @Sendable () -> Double,
        authPrefix: String = "/oauth2",
        redirectHosts: [String]? = nil,
        trustedCAFile: String? = nil,
        allowHTTPIssuers: Bool = false,
        tokenCacheBytes: Int = 32 << 20,
        calloutHeaders: [String]? = nil,
        limits: ProxyLimits = ProxyLimits()
    ) throws(CryptoError) {
        self.issuers = issuers
        self.client = client
        self.keys = keys
        self.clock = clock
        self.authPrefix = authPrefix
        self.redirectHosts = redirectHosts
        self.trustedCAFile = trustedCAFile
        self.allowHTTPIssuers = allowHTTPIssuers
        self.tokenCacheBytes = tokenCacheBytes
        self.limits = limits
        let named = calloutHeaders.map { Set($0.map { $0.lowercased() }) }
        originalRequestFields = OriginalRequest.places.filter { named?.contains($0.description) ?? true }
        state = try AccessState(answerBytes: tokenCacheBytes)
    }

    /// The hosts to which `plan` lets a browser be led.
    func redirectHosts(_ plan: Plan) -> [String] {
        redirectHosts ?? plan.routes.flatMap { $0.route.hosts }.filter { !$0.contains("*") }
    }

    /// This worker's memory of what was proven.
    func proven(_ worker: Worker) -> ProvenCache<ProvenCredential> {
        worker.state(state.slot) {
            ProvenCache(
                maximumBytes: tokenCacheBytes,
                hits: worker.metrics.tally(MetricKey("gatehouse_proven_cache_total", ["outcome": "hit"])),
                misses: worker.metrics.tally(MetricKey("gatehouse_proven_cache_total", ["outcome": "miss"]))
            )
        }
    }

    /// This worker's memory of the keys that proofs were signed with; a million octets at most.
    func proofKeys(_ worker: Worker) -> ProvenCache<DPoPKey> {
        worker.state(state.proofKeySlot) { ProvenCache(maximumBytes: 1 << 20) }
    }
}

/// What the instances remember together; lives as long as the program.
final class AccessState: Sendable {
    /// States of logins that came back.
    let usedStates = UsedOnce()
    /// Sessions that were ended here.
    let endedSessions = UsedOnce(maximum: 262_144)
    /// Refreshes under way.
    let refreshes = SingleFlight<RefreshOutcome>()
    /// Forms that wait for the end of their login.
    let forms = KeptForms()
    /// Grants under way.
    let grantFlights = SingleFlight<GrantOutcome>()
    /// Grants that the issuer said yes to.
    let grants: GrantCache
    /// Questions about tokens under way.
    let questions = SingleFlight<QuestionOutcome>()
    /// What issuers said of tokens.
    let answers: AnswerMemory
    /// Names the slot of each worker's memory.
    let slot = WorkerSlot<ProvenCache<ProvenCredential>>()
    /// Names the slot of each worker's memory of proofs' keys.
    let proofKeySlot = WorkerSlot<ProvenCache<DPoPKey>>()
    /// Proofs that were taken.
    private let takenProofs = AtomicLazyReference<ReplayMemory>()
    private let counter = Atomic<UInt64>(0)

    init(answerBytes: Int) throws(CryptoError) {
        grants = try GrantCache()
        answers = AnswerMemory(maximumBytes: answerBytes)
    }

    /// Proofs that were taken; nil where no instance asks for them.
    var proofs: ReplayMemory? { takenProofs.load() }

    /// Makes room for proofs, if there is none.
    func prepareProofs() throws(CryptoError) {
        guard takenProofs.load() == nil else { return }
        _ = takenProofs.storeIfNil(try ReplayMemory())
    }

    /// A number that no other instance has.
    func nextNumber() -> UInt64 { counter.add(1, ordering: .relaxed).newValue }
}
