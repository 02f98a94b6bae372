// Runs the actions of a pool: makes, keeps and hands out connections to one endpoint on one loop.

import NIOCore

/// The connections of one event loop to one endpoint.
final class ConnectionPool: UpstreamPool {
    private var state: PoolState
    /// The connections by slot.
    private var connections: [UpstreamConnection?] = []
    private var waiting: [PoolState.RequestID: ClientStream] = [:]

    override init(endpoint: Endpoint, worker: Worker) {
        self.state = PoolState(
            limit: worker.limits.upstreamConnections,
            idleLimit: worker.limits.upstreamIdleConnections,
            waiterLimit: worker.limits.upstreamWaiters
        )
        super.init(endpoint: endpoint, worker: worker)
    }

    override func lease(_ request: PoolState.RequestID, for client: ClientStream, fresh: Bool) {
        switch self.state.lease(for: request, fresh: fresh) {
        case .use(let id):
            guard let connection = self.connections[id.slot] else {
                return client.upstreamFailed(.overloaded)
            }
            client.attach(connection, reused: true)
        case .connect(let id): self.connect(id, request, client)
        case .wait: self.waiting[request] = client
        case .refuse: client.upstreamFailed(.overloaded)
        }
    }

    /// Takes back a connection that can carry another exchange.
    func giveBack(_ connection: UpstreamConnection, at now: NIODeadline) {
        self.act(self.state.giveBack(connection.id), connection, at: now)
    }

    /// A connection has closed, or was never made.
    func gone(_ id: ConnectionID) {
        if id.slot < self.connections.count { self.connections[id.slot] = nil }
        guard case .connect(let next, let request) = self.state.gone(id) else {
            if self.state.isEmpty { self.worker.forget(self) }
            return
        }
        guard let client = self.waiting.removeValue(forKey: request) else { return self.gone(next) }
        self.connect(next, request, client)
    }

    override func retire() {
        for id in self.state.retire() { self.connections[id.slot]?.abort() }
    }

    override func leave(_ gone: Set<IPAddress>) {
        for connection in self.connections { connection?.leave(gone) }
    }

    override func forget(_ request: PoolState.RequestID) {
        self.waiting[request] = nil
        self.state.forget(request)
    }

    private func act(_ action: PoolState.OnReturn, _ connection: UpstreamConnection, at now: NIODeadline) {
        switch action {
        case .handOver(_, let request):
            guard let client = self.waiting.removeValue(forKey: request) else {
                return self.giveBack(connection, at: now)
            }
            client.attach(connection, reused: connection.hasServed)
        case .keepIdle: connection.rest(at: now)
        case .close: connection.abort()
        }
    }

    // MARK: Connecting

    private func connect(_ id: ConnectionID, _ request: PoolState.RequestID, _ client: ClientStream) {
        let connection = UpstreamConnection(worker: self.worker, pool: self, id: id)
        let limit = client.passage.order?.terms.connectLimit ?? .seconds(60)
        let made = self.worker.dialer.dial(self.endpoint, connection, limit)
        made.assumeIsolated().whenComplete { result in
            switch result {
            case .success: self.connected(connection, request, client)
            case .failure(let error):
                self.gone(id)
                guard client.passage.waiting == request else { return }
                client.upstreamFailed(Self.proxyError(error))
            }
        }
    }

    private func connected(
        _ connection: UpstreamConnection,
        _ request: PoolState.RequestID,
        _ client: ClientStream
    ) {
        guard connection.isOpen else { return }
        connection.connected()
        while self.connections.count <= connection.id.slot { self.connections.append(nil) }
        self.connections[connection.id.slot] = connection
        guard client.passage.waiting == request else { return self.giveBack(connection, at: .now()) }
        client.attach(connection, reused: false)
    }
}
