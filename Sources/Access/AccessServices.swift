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
    /// Where sessions live that outlive a process.
    let sessions: SessionServices
    /// The fields that a callout's original request is read from, of those that there are.
    let originalRequestFields: [FieldName]
    /// What the listener lets in; a callout's original request meets the same guard.
    let limits: ProxyLimits
    /// What signs in our name.
    package let signing: SigningKeys
    /// The acl group whose consumers may ask about tokens; nil where nobody may.
    let introspectionGroup: String?
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
        limits: ProxyLimits = ProxyLimits(),
        sessions: SessionServices = .cookies,
        ended: EndedSessions = EndedSessions(),
        signing: SigningKeys? = nil,
        introspectionGroup: String? = nil
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
        self.sessions = sessions
        if let signing {
            self.signing = signing
        } else {
            self.signing = SigningKeys(try .unkept(), issuer: "gatehouse")
        }
        self.introspectionGroup = introspectionGroup
        let named = calloutHeaders.map { Set($0.map { $0.lowercased() }) }
        originalRequestFields = OriginalRequest.places.filter { named?.contains($0.description) ?? true }
        state = try AccessState(answerBytes: tokenCacheBytes, ended: ended)
    }

    /// Sessions that were ended before their time.
    package var endedSessions: EndedSessions { state.endedSessions }

    /// Lets nodes that share a store hear of each other's ended sessions; nil where there is none.
    ///
    /// - Parameter listener: makes a line of its own to the store, over which it is waited for what others end.
    package func shareEndings(_ listener: (SessionStorage) -> (any EndingLog)?) -> SharedEndings? {
        sessions.endingLog.map { endedSessions.share(by: $0, listener(sessions.storage), clock) }
    }

    /// Tokens on their way back to issuers.
    package var revocations: Revocations { state.revocations }

    /// An answer once the sessions that were ended for it stay ended, whatever becomes of this program.
    func whenSettled(_ answer: Answer) -> Step {
        guard endedSessions.isKept else { return .answer(answer) }
        let ended = endedSessions
        return .wait(
            Inquiry {
                _ = await ended.settled()
                return { _ throws(Refusal) in .answer(answer) }
            }
        )
    }

    /// The hosts to which `plan` lets a browser be led.
    func redirectHosts(_ plan: Plan) -> [String] {
        redirectHosts ?? plan.routes.flatMap { $0.route.authorities }.filter { !$0.contains("*") }
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

    /// This worker's memory of stored sessions, by what their browsers show.
    func stored(_ worker: Worker) -> ProvenCache<KeptSession> {
        worker.state(state.storedSlot) {
            ProvenCache(
                maximumBytes: tokenCacheBytes,
                hits: worker.metrics.tally(MetricKey("gatehouse_proven_cache_total", ["outcome": "hit"])),
                misses: worker.metrics.tally(MetricKey("gatehouse_proven_cache_total", ["outcome": "miss"]))
            )
        }
    }

    /// What was ended, as all nodes write it down; nil where nothing is shared.
    package var endingLog: (any EndingLog)? { sessions.endingLog }

    /// This worker's memory of what was signed for upstreams.
    func signedIdentities(_ worker: Worker) -> SignedIdentities {
        worker.state(state.signedSlot) {
            let key = MetricKey("gatehouse_signatures_total", ["kind": "identity"])
            return SignedIdentities(signatures: worker.metrics.tally(key))
        }
    }

    /// This worker's memory of the headers of tokens that were proven; a quarter of a million octets at most.
    func headers(_ worker: Worker) -> ProvenCache<ReadHeader> {
        worker.state(state.headerSlot) { ProvenCache(maximumBytes: 1 << 18) }
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
    /// Sessions that were ended before their time.
    let endedSessions: EndedSessions
    /// Logout tokens that were taken.
    let logoutTokens = UsedOnce()
    /// Tokens on their way back to issuers.
    let revocations = Revocations()
    /// Refreshes under way.
    let refreshes = SingleFlight<RefreshOutcome>()
    /// Sessions on their way back.
    let returns = SingleFlight<ReturnOutcome>()
    /// Look-ups of stored sessions under way.
    let lookups = SingleFlight<StoredLookup>()
    /// Renewals of stored sessions under way.
    let storedRefreshes = SingleFlight<StoredRefreshOutcome>()
    /// What stores have to be told until they have heard it.
    let insistence = Insistence()
    /// Renewed tokens that are not in their store yet.
    let unstored: UnstoredResults
    /// What was read of stored sessions lately, for the time when their store is down.
    let recent = RecentSessions()
    /// Names the slot of each worker's memory of stored sessions.
    let storedSlot = WorkerSlot<ProvenCache<KeptSession>>()
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
    /// Names the slot of each worker's memory of tokens' headers.
    let headerSlot = WorkerSlot<ProvenCache<ReadHeader>>()
    /// Names the slot of each worker's memory of signed identities.
    let signedSlot = WorkerSlot<SignedIdentities>()
    /// Proofs that were taken.
    private let takenProofs = AtomicLazyReference<ReplayMemory>()
    private let counter = Atomic<UInt64>(0)

    init(answerBytes: Int, ended: EndedSessions) throws(CryptoError) {
        endedSessions = ended
        grants = try GrantCache()
        unstored = UnstoredResults(insistence)
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
