// The connections of HTTP/2 to one endpoint: few, shared by many exchanges.

import NIOCore

/// Hands out streams; makes another connection when those there are full.
final class HTTP2Pool: UpstreamPool {
    private var connections: [HTTP2Upstream] = []
    /// Attempts to connect under way.
    private var attempts = 0
    /// Who waits, in order.
    private var waiting: [(request: PoolState.RequestID, client: ClientStream)] = []
    private var isRetired = false

    override func lease(_ request: PoolState.RequestID, for client: ClientStream, fresh: Bool) {
        if let connection = self.connections.first(where: { $0.hasRoom && !(fresh && $0.hasServed) }) {
            return client.attach(connection.open(), reused: connection.hasServed)
        }
        guard self.waiting.count < self.worker.limits.upstreamWaiters else {
            return client.upstreamFailed(.overloaded)
        }
        self.waiting.append((request, client))
        self.dialIfNeeded()
    }

    override func forget(_ request: PoolState.RequestID) { self.waiting.removeAll { $0.request == request } }

    override func retire() {
        self.isRetired = true
        for connection in self.connections { connection.retire() }
    }

    override func leave(_ gone: Set<IPAddress>) {
        for connection in self.connections { connection.leave(gone) }
    }

    /// One attempt for as many as one connection may carry.
    private func dialIfNeeded() {
        let wanted = (self.waiting.count + HTTP2Limits.assumedStreams - 1) / HTTP2Limits.assumedStreams
        while self.attempts < wanted,
            self.connections.count + self.attempts < HTTP2Limits.upstreamConnections
        {
            self.dial()
        }
    }

    private func dial() {
        guard let first = self.waiting.first else { return }
        self.attempts += 1
        let connection = HTTP2Upstream(worker: self.worker, pool: self)
        let limit = first.client.passage.order?.terms.connectLimit ?? .seconds(60)
        let made = self.worker.dialer.dial(self.endpoint, connection, limit)
        made.assumeIsolated().whenComplete { result in
            // One that succeeds tells of itself when it may be used, or when it closes before that.
            switch result {
            case .success:
                if !connection.made() { self.gone(connection) }
            case .failure(let error):
                self.attempts -= 1
                self.failed(Self.proxyError(error))
            }
        }
    }

    /// An attempt has succeeded.
    func connected(_ connection: HTTP2Upstream) {
        self.attempts -= 1
        self.connections.append(connection)
        if self.isRetired { connection.retire() }
        self.roomChanged(connection)
        connection.rest(at: .now())
    }

    /// Those who wait hear it; each may ask again.
    private func failed(_ error: ProxyError) {
        let waiting = self.waiting
        self.waiting = []
        for (request, client) in waiting where client.passage.waiting == request {
            client.upstreamFailed(error)
        }
        if self.isEmpty { self.worker.forget(self) }
    }

    /// A connection may have room again.
    func roomChanged(_ connection: HTTP2Upstream) {
        while connection.hasRoom, !self.waiting.isEmpty {
            let (request, client) = self.waiting.removeFirst()
            guard client.passage.waiting == request else { continue }
            client.attach(connection.open(), reused: connection.hasServed)
        }
    }

    /// A connection has closed; one that was never ready counts as an attempt that failed.
    func gone(_ connection: HTTP2Upstream) {
        guard connection.isReady else {
            self.attempts -= 1
            return self.failed(.connectFailed)
        }
        self.connections.removeAll { $0 === connection }
        if !self.waiting.isEmpty { self.dialIfNeeded() }
        if self.isEmpty { self.worker.forget(self) }
    }

    private var isEmpty: Bool { self.connections.isEmpty && self.attempts == 0 && self.waiting.isEmpty }
}
