// The sessions of one instance in a vault: sealed, found by what the browser holds, and by whose they are.
import Cryptography
import Gateway
import JOSE
import JSON

/// What a browser shows to find its session in a store: 256 random bits.
struct SessionHandle: Sendable, Equatable {
    /// The secret; it stands sealed in the cookie and nowhere else.
    let octets: [UInt8]
    /// `Session.id`: made from the secret, which cannot be told from it.
    let id: String

    /// Draws a new one (security rows V1, S4).
    static func random() throws(CryptoError) -> SessionHandle { try SessionHandle(try Random.bytes(32)) }

    /// The handle of a secret.
    init(_ octets: [UInt8]) throws(CryptoError) {
        self.octets = octets
        let digest = try Digest.sha256.hash(Array("gatehouse session handle".utf8) + octets)
        id = Base64URL.encode(Array(digest[..<16]))
    }
}

/// A session as the store had it.
struct StoredSession: Sendable {
    var session: Session
    /// The record that holds it, with its fencing number.
    var record: VaultRecord
}

/// Reads and writes the sessions of one kind: one issuer, client and audience.
struct SessionStore: Sendable {
    let vault: any SessionVault
    /// Seals what lies in the vault; each record under its own key's name, so that none opens in another's place.
    let recordSeal: SealedCookie
    /// Seals what the browser holds.
    let handleSeal: SealedCookie
    let limits: SessionLimits
    /// Seconds that what was proven goes on while the vault is down; 0 refuses.
    let graceSeconds: Double
    let clock: @Sendable () -> Double
    /// What all keys of this kind begin with: no name of one kind is one of another (tenant isolation).
    let folder: String

    /// Seconds that a worker believes what it has read: another node's revocation is noticed within them.
    static let memorySeconds = 1.0

    init(
        _ vault: any SessionVault,
        identity: String,
        ring: SealingKeyRing,
        limits: SessionLimits,
        graceSeconds: Double,
        clock: @escaping @Sendable () -> Double
    ) throws(CryptoError) {
        self.vault = vault
        recordSeal = SealedCookie(purpose: "stored session " + identity, ring: ring)
        handleSeal = SealedCookie(purpose: "session handle " + identity, ring: ring)
        self.limits = limits
        self.graceSeconds = graceSeconds
        self.clock = clock
        folder = Hexadecimal.encode(try Digest.sha256.hash(utf8: identity)[..<8]) + ":"
    }

    /// Seconds that what was read of a session is believed; less where sessions hardly last longer.
    var memory: Double {
        limits.idling > 0 ? min(Self.memorySeconds, limits.idling / 10) : Self.memorySeconds
    }

    // MARK: Names

    func key(_ id: String) throws(StoreUnavailable) -> String { try name(.session(id: id)) }

    /// A session's own key, or the name of the list of an owner's sessions.
    private func name(_ owner: SessionOwner) throws(StoreUnavailable) -> String {
        do throws(CryptoError) {
            let key = try owner.key()
            if case .session = owner { return folder + key.text }
            return list(key)
        } catch {
            throw StoreUnavailable("internal-error")
        }
    }

    private func list(_ owner: OwnerKey) -> String { "\(folder)owner:\(owner.text)" }

    /// Whose lists name a session: its user's, and its issuer session's where there is one.
    private func owners(_ session: Session) throws(StoreUnavailable) -> [String] {
        var owners = [try name(.subject(issuer: session.issuer, subject: session.subject))]
        if let sid = session.issuerSession {
            owners.append(try name(.issuerSession(issuer: session.issuer, sid: sid)))
        }
        return owners
    }

    // MARK: Records

    private func sealed(_ session: Session, _ key: String) throws(StoreUnavailable) -> [UInt8] {
        do throws(SealError) {
            let end = limits.lastingEnd(of: session)
            return Array(try recordSeal.seal(session.serialized(), name: key, expires: end).utf8)
        } catch {
            throw StoreUnavailable("internal-error")
        }
    }

    /// The session in a record; nil where it does not open, or has ended.
    func opened(_ record: VaultRecord, _ key: String, at now: Double) -> Session? {
        guard let octets = recordSeal.open(record.octets.span, name: key, at: now),
            var session = Session(serialized: octets),
            now < limits.lastingEnd(of: session), session.createdAt <= now + 60
        else { return nil }
        // That it is there says that it was used lately enough: the vault keeps the idle time.
        session.usedAt = now
        return session
    }

    /// Keeps a session that begins.
    func begin(_ session: Session) async throws(StoreUnavailable) {
        let (key, now) = (try key(session.id), clock())
        let record = FirstRecord(
            octets: try sealed(session, key),
            owners: try owners(session),
            createdAt: session.createdAt,
            seconds: limits.storedSeconds(session, at: now),
            longestSeconds: limits.longestLife
        )
        try await vault.create(key, record)
    }

    /// The session, if it is there and alive; used by that, and renewed where that is due.
    func use(_ id: String) async throws(StoreUnavailable) -> StoredSession? {
        guard let found = try await read(id) else { return nil }
        let (key, now) = (try key(id), clock())
        if isRenewalDue(found, at: now) {
            var next = found
            next.session = limits.renewed(found.session, at: now)
            next.session.renewedAt = now
            let octets = try sealed(next.session, key)
            let seconds = limits.storedSeconds(next.session, at: now)
            let outcome = try await vault.replace(key, octets, after: found.record.version, seconds: seconds)
            guard case .written(let version) = outcome else { return try await read(id) }
            next.record = VaultRecord(octets: octets, version: version, remainingSeconds: seconds)
            return next
        }
        let wanted = limits.storedSeconds(found.session, at: now)
        if limits.idling > 0, wanted - found.record.remainingSeconds >= min(60, limits.idling / 10) {
            try await vault.touch(key, seconds: wanted)
        }
        return found
    }

    /// Once three quarters of the rolling time are over, or another key seals by now.
    private func isRenewalDue(_ found: StoredSession, at now: Double) -> Bool {
        if limits.rolling > 0, now - found.session.renewedAt >= limits.rolling * 0.75 { return true }
        return !recordSeal.isByNewestKey(found.record.octets.span)
    }

    /// The session, if it is there and alive; nothing is changed by looking.
    func read(_ id: String) async throws(StoreUnavailable) -> StoredSession? {
        let key = try key(id)
        guard let record = try await vault.read(key) else { return nil }
        return opened(record, key, at: clock()).map { StoredSession(session: $0, record: record) }
    }

    /// Puts a session in the place of the record with that number, and of no other.
    func replace(
        _ session: Session,
        after version: Int64
    ) async throws(StoreUnavailable) -> (Replacement, VaultRecord) {
        let (key, now) = (try key(session.id), clock())
        let octets = try sealed(session, key)
        let seconds = limits.storedSeconds(session, at: now)
        let outcome = try await vault.replace(key, octets, after: version, seconds: seconds)
        guard case .written(let number) = outcome else {
            return (outcome, VaultRecord(octets: octets, version: version, remainingSeconds: seconds))
        }
        return (outcome, VaultRecord(octets: octets, version: number, remainingSeconds: seconds))
    }

    /// Ends a session, if its record is still the one with that number; nil ends it whatever it is by now.
    func end(_ id: String, after version: Int64? = nil) async throws(StoreUnavailable) -> Bool {
        try await vault.remove(try key(id), after: version)
    }

    // MARK: Leases

    func lease(_ id: String, holder: String, seconds: Double) async throws(StoreUnavailable) -> Bool {
        try await vault.lease(try key(id), holder: holder, seconds: seconds)
    }

    func giveBack(_ id: String, holder: String) async throws(StoreUnavailable) {
        try await vault.giveBack(try key(id), holder: holder)
    }

    // MARK: Cookies

    /// What the cookie of a session holds, sealed under the cookie's name.
    func seal(_ handle: [UInt8], name: String, of session: Session) throws(SealError) -> String {
        try handleSeal.seal(handle, name: name, expires: session.createdAt + limits.longestLife)
    }

    /// The handle in a cookie's sealed text.
    func open(_ text: Span<UInt8>, name: String, at now: Double) -> SessionHandle? {
        guard let octets = handleSeal.open(text, name: name, at: now), octets.count == 32 else { return nil }
        return try? SessionHandle(octets)
    }
}

extension SessionStore: SessionIndex {
    func sessions(of owner: SessionOwner) async throws(StoreUnavailable) -> [ListedSession] {
        if case .session(let id) = owner { return try await listed(key: key(id)).map { [$0] } ?? [] }
        var sessions: [ListedSession] = []
        for key in try await vault.keys(of: name(owner)) {
            if let session = try await listed(key: key) { sessions.append(session) }
        }
        return sessions
    }

    private func listed(key: String) async throws(StoreUnavailable) -> ListedSession? {
        guard let record = try await vault.read(key), let session = opened(record, key, at: clock()) else {
            return nil
        }
        return ListedSession(
            id: session.id,
            issuer: session.issuer,
            subject: session.subject,
            createdAt: session.createdAt
        )
    }

    func end(_ ending: SessionEnding) async throws(StoreUnavailable) -> Int {
        let owned = try await vault.removeAll(of: list(ending.owner), createdBy: ending.before)
        // The owner may be a session itself: its key is made from the same name.
        let key = folder + ending.owner.text
        guard owned == 0, let record = try await vault.read(key),
            let session = opened(record, key, at: clock()), session.createdAt <= ending.before
        else { return owned }
        return try await vault.remove(key, after: nil) ? 1 : 0
    }
}
