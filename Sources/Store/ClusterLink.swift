// The links to a cluster's servers on their event loop: carries out what `ClusterMap` says.
import NIOCore
import NIOSSL

/// A cluster: a link to each of its masters.
final class ClusterLink: RedisCarrier {
    private let loop: any EventLoop
    private let address: RedisAddress
    private let tls: NIOSSLContext?
    private let board: StoreBoard
    private let limits: LinkLimits
    private var map: ClusterMap
    private var links: [RedisAddress.Node: RedisLink] = [:]
    private var completions: [LinkState.CommandID: Completion] = [:]
    private var nextID: LinkState.CommandID = 0
    private var timer: Scheduled<Void>?
    private var timerAt = 0.0

    init(
        _ address: RedisAddress,
        _ cluster: RedisAddress.Cluster,
        tls: NIOSSLContext?,
        board: StoreBoard,
        limits: LinkLimits,
        loop: any EventLoop
    ) {
        self.address = address
        self.tls = tls
        self.board = board
        self.limits = limits
        self.loop = loop
        self.map = ClusterMap(cluster, limits: limits)
    }

    func call(_ command: RedisCommand, _ completion: @escaping Completion) {
        self.nextID += 1
        self.completions[self.nextID] = completion
        self.carryOut(self.map.submit(self.nextID, command, at: RedisLink.now()))
    }

    func start() { self.carryOut(self.map.start(at: RedisLink.now())) }

    func stop() {
        self.carryOut(self.map.stop())
        self.timer?.cancel()
    }

    // MARK: Actions

    private func carryOut(_ actions: [ClusterMap.Action]) {
        for action in actions {
            switch action {
            case .ask(let id, let command, let node, let isForOnce):
                let link = self.link(node)
                // Both on one connection, with nothing between them.
                if isForOnce { link.call(.asking) { _ in } }
                self.ask(id, command, node, link)
            case .look(let id, let node): self.look(id, self.link(node))
            case .open(let node): self.link(node).start()
            case .leave(let node): self.links.removeValue(forKey: node)?.stop()
            case .succeed(let id, let reply): self.complete(id, .success(reply))
            case .fail(let id, let error): self.complete(id, .failure(error))
            case .tellUp: self.board.isUp()
            case .tellBack: self.board.isBack()
            case .tellDown(let trouble): self.board.isDown(trouble.reason)
            }
        }
        self.setTimer()
    }

    private func complete(_ id: LinkState.CommandID, _ result: Result<RedisReply, StoreError>) {
        self.completions.removeValue(forKey: id)?(result)
    }

    private func ask(
        _ id: LinkState.CommandID,
        _ command: RedisCommand,
        _ node: RedisAddress.Node,
        _ link: RedisLink
    ) {
        let cluster = NIOLoopBound(self, eventLoop: self.loop)
        link.call(command) { result in
            let cluster = cluster.value
            cluster.carryOut(cluster.map.answered(id, by: node, result, at: RedisLink.now()))
        }
    }

    private func look(_ id: ClusterMap.LookID, _ link: RedisLink) {
        let cluster = NIOLoopBound(self, eventLoop: self.loop)
        let link = NIOLoopBound(link, eventLoop: self.loop)
        link.value.call(.clusterInfo) { info in
            link.value.call(.clusterSlots) { slots in
                // A turn later: why its link is down is told after its commands have failed.
                cluster.value.loop.assumeIsolated().execute { cluster.value.looked(id, info, slots) }
            }
        }
    }

    private func looked(
        _ id: ClusterMap.LookID,
        _ info: Result<RedisReply, StoreError>,
        _ slots: Result<RedisReply, StoreError>
    ) {
        let both = info.flatMap { info in slots.map { (info: info, slots: $0) } }
        self.carryOut(self.map.looked(id, both, at: RedisLink.now()))
    }

    // MARK: Links

    private func link(_ node: RedisAddress.Node) -> RedisLink {
        if let link = self.links[node] { return link }
        var place = self.address
        place.place = .tcp(host: node.host, port: node.port)
        let link = RedisLink(place, tls: self.tls, limits: self.limits, loop: self.loop) {
            [weak self] trouble in self?.changed(node, trouble)
        }
        self.links[node] = link
        return link
    }

    private func changed(_ node: RedisAddress.Node, _ trouble: LinkTrouble?) {
        // One that was left may still end.
        guard self.links[node] != nil else { return }
        self.board.node(node.title, is: trouble)
        let now = RedisLink.now()
        self.carryOut(
            trouble.map { self.map.linkDown(node, $0, at: now) } ?? self.map.linkUp(node, at: now)
        )
    }

    private func setTimer() {
        let due = self.map.nextTick
        guard due.isFinite else { return }
        // A timer that fires early looks again; one that would fire late is made anew.
        if self.timer != nil, self.timerAt <= due { return }
        self.timer?.cancel()
        self.timerAt = due
        let delay = TimeAmount.nanoseconds(Int64(max(0.001, due - RedisLink.now()) * 1e9))
        self.timer = self.loop.assumeIsolated().scheduleTask(in: delay) {
            self.timer = nil
            self.carryOut(self.map.tick(at: RedisLink.now()))
        }
    }
}
