// One event loop's share of the server: its connections, pools, scratch space and the clock hand.

import NIOCore

/// What all connections of an event loop share; touched only there.
final class Worker {
    let eventLoop: any EventLoop
    let limits: ProxyLimits
    let writer: HeadWriter
    let handler: any ExchangeHandler
    let trustedPeers: [AddressRange]
    /// Opens connections to upstreams.
    let dialer: Dialer
    /// Today's certificates.
    let certificates: @Sendable () -> CertificateTable
    private let names: NameTable<IPAddress>?
    private let services: NameTable<ServicePlace>?
    /// Counts clients over all workers.
    let admission: Admission
    /// The upstreams of several targets.
    let balancers: Balancers
    private let notice: @Sendable (String) -> Void

    /// Where heads are put together.
    var scratch: [UInt8] = []
    /// What leaves for a client, and for an upstream; reused once written.
    var toClient: ByteBuffer
    var toUpstream: ByteBuffer
    /// What leaves for an upstream of HTTP/2 as a head.
    var block: [UInt8] = []
    /// Sessions that have written and not yet flushed.
    private var unflushed: [HTTP2Session] = []
    private(set) var isDraining = false
    private var connections: [any ClientConnection] = []
    private var upstreams: [any WatchedUpstream] = []
    private var pools: [Endpoint: UpstreamPool] = [:]
    private var lastPool: UpstreamPool?
    private var sweeper: RepeatedTask?
    private var lastRequestID: PoolState.RequestID = 0
    private var whenEmpty: [() -> Void] = []
    /// Whose place the next connection takes.
    private var predecessor: (connection: any ClientConnection, client: ClientFacts)?
    private var pauseTold = NIODeadline.distantPast
    /// What of the handler's `standings` has been looked at.
    private var standings: UInt64 = 0

    init(
        eventLoop: any EventLoop,
        settings: ServerSettings,
        handler: any ExchangeHandler,
        admission: Admission,
        dialer: Dialer? = nil
    ) {
        self.eventLoop = eventLoop
        self.limits = settings.limits
        self.writer = HeadWriter(viaName: settings.viaName)
        self.handler = handler
        self.trustedPeers = settings.trustedPeers
        let names = settings.names.map { NameTable($0, on: eventLoop) }
        self.names = names
        let services = settings.services.map { NameTable($0, on: eventLoop) }
        self.services = services
        self.dialer = dialer ?? .overTCP(on: eventLoop, names: names, services: services)
        self.admission = admission
        self.certificates = settings.certificates
        self.notice = settings.notice
        self.balancers = Balancers(notice: settings.notice)
        self.scratch.reserveCapacity(4096)
        self.toClient = ByteBufferAllocator().buffer(capacity: 16_384)
        self.toUpstream = ByteBufferAllocator().buffer(capacity: 4096)
    }

    /// Starts the one timer that watches over all connections of the loop.
    func start() {
        let interval = Self.sweepInterval(self.limits)
        let mine = NIOLoopBound(self, eventLoop: self.eventLoop)
        self.sweeper = self.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            mine.value.sweep(.now())
        }
        self.names?.whenGone = { name, gone in mine.value.leave(gone, of: name) }
        self.services?.whenAnswered = { name, places in mine.value.found(places, of: name) }
    }

    /// A quarter of the shortest limit, between 20 and 250 ms.
    private static func sweepInterval(_ limits: ProxyLimits) -> TimeAmount {
        let shortest = [
            limits.headSeconds, limits.bodySeconds, limits.readerSeconds, limits.idleSeconds,
            limits.upstreamIdleSeconds, limits.drainIdleSeconds,
        ].min()
        return .milliseconds(Int64(max(20, min(250, (shortest ?? 1) * 250))))
    }

    // MARK: Connections

    /// Takes in another client if there is room for it; what has been accepted is served, draining or not.
    func admit(_ connection: some ClientConnection, _ client: ClientFacts) -> Bool {
        if let (predecessor, known) = self.predecessor, let place = predecessor.place {
            self.predecessor = nil
            if known.peer != client.peer {
                // It turns out to be somebody else's, who has bounds of his own.
                self.admission.leave(known.peer, isTrusted: known.isTrustedPeer)
                let isTrusted = client.isTrustedPeer
                let refusal = self.admission.enter(client.peer, isTrusted: isTrusted, workerIsFull: false)
                guard refusal == nil else {
                    self.vacate(predecessor)
                    self.tellIfEmpty()
                    return false
                }
            }
            predecessor.place = nil
            connection.place = place
            self.connections[place] = connection
            return true
        }
        let isFull = self.connections.count >= self.limits.connectionsPerWorker
        let refusal = self.admission.enter(
            client.peer,
            isTrusted: client.isTrustedPeer,
            workerIsFull: isFull
        )
        guard refusal == nil else { return false }
        connection.place = self.connections.count
        self.connections.append(connection)
        return true
    }

    /// Lets what `install` adds take the place of a connection that was let in already.
    func handOver(
        from connection: some ClientConnection,
        _ client: ClientFacts,
        to install: () throws -> Void
    ) rethrows {
        self.predecessor = (connection, client)
        defer { self.predecessor = nil }
        try install()
    }

    func remove(_ connection: some ClientConnection, _ client: ClientFacts) {
        guard connection.place != nil else { return }
        self.vacate(connection)
        self.admission.leave(client.peer, isTrusted: client.isTrustedPeer)
        self.tellIfEmpty()
    }

    private func vacate(_ connection: any ClientConnection) {
        guard let place = connection.place else { return }
        connection.place = nil
        let last = self.connections.removeLast()
        if last !== connection {
            self.connections[place] = last
            last.place = place
        }
    }

    func add(_ upstream: some WatchedUpstream) {
        upstream.place = self.upstreams.count
        self.upstreams.append(upstream)
    }

    func remove(_ upstream: some WatchedUpstream) {
        guard let place = upstream.place else { return }
        upstream.place = nil
        let last = self.upstreams.removeLast()
        if last !== upstream {
            self.upstreams[place] = last
            last.place = place
        }
    }

    /// The pool of an endpoint; made when first asked for.
    func pool(for endpoint: Endpoint) -> UpstreamPool {
        if let last = self.lastPool, last.endpoint == endpoint { return last }
        let pool = self.pools[endpoint] ?? self.makePool(for: endpoint)
        self.pools[endpoint] = pool
        self.lastPool = pool
        return pool
    }

    private func makePool(for endpoint: Endpoint) -> UpstreamPool {
        endpoint.speaksHTTP2
            ? HTTP2Pool(endpoint: endpoint, worker: self) : ConnectionPool(endpoint: endpoint, worker: self)
    }

    /// A pool has no connection left, and nobody waits.
    func forget(_ pool: UpstreamPool) {
        if self.lastPool === pool { self.lastPool = nil }
        if self.pools[pool.endpoint] === pool { self.pools[pool.endpoint] = nil }
    }

    /// Another plan: keeps the books of these groups, and the pools of these endpoints.
    ///
    /// Of others idle connections close, busy ones once they are free.
    func follow(_ groups: [TargetGroup], _ endpoints: Set<Endpoint>) {
        self.balancers.follow(groups)
        for name in self.balancers.services { _ = self.services?.places(of: name, at: .now()) }
        self.dropPools(but: endpoints.union(self.balancers.placed))
    }

    /// DNS has said where a service is.
    private func found(_ places: [ServicePlace], of name: String) {
        let gone = self.balancers.answered(name, places)
        guard !gone.isEmpty else { return }
        self.dropPools(but: Set(self.pools.keys).subtracting(gone))
    }

    private func dropPools(but endpoints: Set<Endpoint>) {
        for (endpoint, pool) in self.pools where !endpoints.contains(endpoint) {
            self.forget(pool)
            pool.retire()
        }
    }

    /// Lets go of connections to addresses that are a name's no longer.
    private func leave(_ gone: Set<IPAddress>, of name: String) {
        for (endpoint, pool) in self.pools where endpoint.host == name { pool.leave(gone) }
    }

    /// How many endpoints have a pool.
    var poolCount: Int { self.pools.count }

    /// A listening socket is left alone for a moment; said at most once a minute.
    func acceptPaused(_ code: CInt) {
        self.admission.paused()
        let now = NIODeadline.now()
        guard now >= self.pauseTold else { return }
        self.pauseTold = now + .minutes(1)
        self.notice("no connection is accepted for a moment: the system has no room (errno \(code))")
    }

    /// Flushes a session once all that came in this turn of the loop has been looked at: many answers, one write.
    func plan(_ session: HTTP2Session) {
        self.unflushed.append(session)
        guard self.unflushed.count == 1 else { return }
        let mine = NIOLoopBound(self, eventLoop: self.eventLoop)
        self.eventLoop.execute { mine.value.flushPlanned() }
    }

    private func flushPlanned() {
        let sessions = self.unflushed
        self.unflushed.removeAll(keepingCapacity: true)
        for session in sessions { session.flushNow() }
    }

    /// A number that no other request on this loop has.
    func nextRequestID() -> PoolState.RequestID {
        self.lastRequestID &+= 1
        return self.lastRequestID
    }

    // MARK: Time and end

    /// How near the end of its time a connection is that has been idle for a second.
    private var restsAfter: TimeAmount { TimeAmount(seconds: self.limits.idleSeconds - 1) }

    private func sweep(_ now: NIODeadline) {
        self.names?.sweep(now) { Set(self.pools.keys.lazy.map(\.host)) }
        self.services?.sweep(now) { self.balancers.services }
        let standings = self.handler.standings
        let hasChanged = standings != self.standings
        self.standings = standings
        var index = self.connections.count
        while index > 0 {
            index -= 1
            guard index < self.connections.count else { continue }
            let connection = self.connections[index]
            if hasChanged { connection.review() }
            if connection.endsAt <= now {
                connection.identityEnded()
            } else if connection.deadline <= now {
                connection.timeIsUp(now)
            } else if connection.deadline <= now + self.restsAfter {
                connection.rest()
            }
        }
        index = self.upstreams.count
        while index > 0 {
            index -= 1
            guard index < self.upstreams.count else { continue }
            let upstream = self.upstreams[index]
            if upstream.deadline <= now { upstream.timeIsUp() }
        }
        if !self.isDraining { self.balancers.tick(self, at: now) }
    }

    /// Lets exchanges end and takes no new ones; calls `then` once no connection is left.
    func drain(then: @escaping () -> Void) {
        self.isDraining = true
        self.whenEmpty.append(then)
        let now = NIODeadline.now()
        for connection in self.connections { connection.drain(now) }
        self.tellIfEmpty()
    }

    /// Closes everything at once.
    func stop() {
        self.isDraining = true
        self.sweeper?.cancel()
        self.sweeper = nil
        self.balancers.stop()
        for connection in self.connections { connection.abort() }
        for upstream in self.upstreams { upstream.abort() }
        self.names?.stop()
        self.services?.stop()
        self.handler.stopped()
    }

    private func tellIfEmpty() {
        guard self.isDraining, self.connections.isEmpty, !self.whenEmpty.isEmpty else { return }
        let waiting = self.whenEmpty
        self.whenEmpty = []
        for then in waiting { then() }
    }
}
