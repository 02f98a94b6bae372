// The book of a cluster: which server has which key, and who waits for what; events in, actions out.

/// The book of a cluster: finds the master of each command's key and follows the keys wherever they go.
///
/// Each server has a link of its own (`LinkState`), which says what becomes of a command when its connection ends. Here is
/// decided whom to ask instead: a command that was not sent, or that may be repeated, waits for a new look at the cluster
/// and goes to whoever has its slot by then. `MOVED` and `ASK` are followed at once, so often as the address allows;
/// whatever happens, a command has its answer by its time. Looks are made one at a time, for all that wait.
///
/// What has to outlive a failover is told again to whoever has its slot next: replicas hear of a write after its answer.
struct ClusterMap: Sendable {
    typealias CommandID = LinkState.CommandID
    typealias Node = RedisAddress.Node
    typealias LookID = UInt64

    /// What the owner has to do.
    enum Action: Equatable, Sendable {
        /// Sends a command to a server, behind `ASKING` where it is for once.
        case ask(CommandID, RedisCommand, Node, isForOnce: Bool = false)
        /// Asks a server what it knows of the cluster.
        case look(LookID, Node)
        /// Connects to a server beforehand.
        case open(Node)
        /// Has no more use for a server.
        case leave(Node)
        case succeed(CommandID, RedisReply)
        case fail(CommandID, StoreError)
        /// The cluster is there, or there again.
        case tellUp
        /// A part of it is there again, or with another server.
        case tellBack
        /// Nothing of it can be asked.
        case tellDown(LinkTrouble)
    }

    private enum Stage: Equatable, Sendable {
        case asked(Node)
        /// Waits for a look that begins after `since`, and fails by `error` if that leads nowhere else.
        case waiting(StoreError, Node?, since: Double)
        case pausing
    }

    private struct Entry: Equatable, Sendable {
        let command: RedisCommand
        let slot: Int
        let began: Double
        let deadline: Double
        var redirections = 0
        var stage: Stage
    }

    let limits: LinkLimits
    let maximumRedirections: Int
    /// Those that are asked while nothing is known.
    let seeds: [Node]
    private var entries: [CommandID: Entry] = [:]
    /// By their deadlines.
    private var deadlines = Queue<CommandID>()
    private var waiting: [CommandID] = []
    private var pausing = Queue<(id: CommandID, until: Double)>()
    /// Names of commands of our own, from the other end.
    private var ownID = CommandID.max
    /// What the next master of a slot has to hear again, who took it (nil for nobody yet), and when it was meant.
    private var recalled = Queue<(command: RedisCommand, slot: Int, node: Node?, at: Double)>()
    private var isStopped = false
    var slots: ClusterSlots?
    var looks = Looks()
    /// Every server that has a link, and when it was needed last.
    var links: [Node: Double] = [:]
    /// Servers that cannot be reached.
    var troubles: [Node: LinkTrouble] = [:]
    var isDown = false
    private var wasUp = false
    /// Since when the cluster says that it does not serve.
    private var refusesSince: Double?

    /// A map of a cluster that nothing is known of yet.
    init(_ cluster: RedisAddress.Cluster, limits: LinkLimits) {
        self.limits = limits
        self.seeds = cluster.nodes
        self.maximumRedirections = cluster.maximumRedirections
    }

    /// Seconds that a cluster which refuses to serve is given, once: while it fails over it refuses everything.
    private var patience: Double { self.limits.commandSeconds / 2 }

    // MARK: Commands

    /// Somebody wants an answer.
    mutating func submit(_ id: CommandID, _ command: RedisCommand, at now: Double) -> [Action] {
        guard !self.isStopped, !self.isDown else { return [.fail(id, .notConnected)] }
        guard self.entries.count < self.limits.waiting else { return [.fail(id, .busy)] }
        return self.enter(id, command, began: now, at: now)
    }

    private mutating func enter(
        _ id: CommandID,
        _ command: RedisCommand,
        began: Double,
        at now: Double
    ) -> [Action] {
        self.entries[id] = Entry(
            command: command,
            slot: HashSlot.slot(of: command.key),
            began: began,
            deadline: now + self.limits.commandSeconds,
            stage: .pausing
        )
        self.deadlines.append(id)
        return self.route(id, at: now)
    }

    /// Asks whoever has the slot; where nobody is known to, a look comes first.
    private mutating func route(_ id: CommandID, at now: Double) -> [Action] {
        guard let entry = self.entries[id] else { return [] }
        guard let slots = self.slots else { return self.wait(id, .notConnected, nil, at: now) }
        guard let node = slots.master(of: entry.slot) else {
            return self.wait(id, .refused("CLUSTERDOWN"), nil, at: now)
        }
        return [self.ask(id, node, at: now)]
    }

    private mutating func ask(
        _ id: CommandID,
        _ node: Node,
        isForOnce: Bool = false,
        at now: Double
    ) -> Action {
        let command = self.entries[id]?.command ?? .ping
        self.entries[id]?.stage = .asked(node)
        self.links[node] = now
        return .ask(id, command, node, isForOnce: isForOnce)
    }

    private mutating func wait(
        _ id: CommandID,
        _ error: StoreError,
        _ node: Node?,
        at now: Double
    ) -> [Action] {
        self.entries[id]?.stage = .waiting(error, node, since: now)
        self.waiting.append(id)
        return self.wantLook(at: now)
    }

    private mutating func pause(_ id: CommandID, at now: Double) {
        self.entries[id]?.stage = .pausing
        self.pausing.append((id, now + self.limits.retrySeconds))
    }

    private mutating func finish(_ id: CommandID, _ result: Result<RedisReply, StoreError>) -> [Action] {
        guard let entry = self.entries.removeValue(forKey: id) else { return [] }
        while let first = self.deadlines.first, self.entries[first] == nil { _ = self.deadlines.popFirst() }
        let isOwn = id > self.ownID
        switch result {
        case .success(let reply):
            if case .asked(let node) = entry.stage { self.remember(entry, node) }
            return isOwn ? [] : [.succeed(id, reply)]
        case .failure(let error):
            if isOwn { self.remember(entry, nil) }
            return isOwn ? [] : [.fail(id, error)]
        }
    }

    private mutating func remember(_ entry: Entry, _ node: Node?) {
        guard entry.command.outlivesFailover else { return }
        self.recalled.append((entry.command, entry.slot, node, entry.began))
        if self.recalled.count > self.limits.recalled { _ = self.recalled.popFirst() }
    }

    // MARK: Answers

    /// A server has answered, or cannot.
    mutating func answered(
        _ id: CommandID,
        by node: Node,
        _ result: Result<RedisReply, StoreError>,
        at now: Double
    ) -> [Action] {
        guard let entry = self.entries[id], entry.stage == .asked(node) else { return [] }
        switch result {
        case .success: return self.finish(id, result)
        case .failure(.redirected(let redirection)):
            return self.follow(id, redirection, from: node, at: now)
        case .failure(.refused("TRYAGAIN")):
            // Half of what it asks for is still elsewhere.
            self.pause(id, at: now)
            return []
        case .failure(.refused("CLUSTERDOWN")):
            let since = self.refusesSince ?? now
            self.refusesSince = since
            let actions = self.wantLook(at: now)
            guard now < since + self.patience, !self.isDown else {
                return actions + self.finish(id, result)
            }
            self.pause(id, at: now)
            return actions
        case .failure(.notConnected): return self.turnAway(id, entry, .notConnected, from: node, at: now)
        case .failure(.lost) where entry.command.isRepeatable:
            return self.turnAway(id, entry, .lost, from: node, at: now)
        case .failure(.timedOut), .failure(.lost): return self.finish(id, result) + self.wantLook(at: now)
        case .failure: return self.finish(id, result)
        }
    }

    private mutating func follow(
        _ id: CommandID,
        _ redirection: Redirection,
        from node: Node,
        at now: Double
    ) -> [Action] {
        guard self.redirect(id) else {
            return self.finish(id, .failure(.redirected(redirection))) + self.wantLook(at: now)
        }
        let target = redirection.target(by: node)
        if redirection.isForOnce { return [self.ask(id, target, isForOnce: true, at: now)] }
        self.slots?.move(redirection.slot, to: target)
        return self.recall(at: now) + [self.ask(id, target, at: now)] + self.wantLook(at: now)
    }

    /// Counts one more way that a command is sent; false where that is one too many.
    private mutating func redirect(_ id: CommandID) -> Bool {
        guard let count = self.entries[id]?.redirections, count < self.maximumRedirections else {
            return false
        }
        self.entries[id]?.redirections += 1
        return true
    }

    /// Its server is not there: whoever has the slot by now is asked, and if that is nobody else, there is none.
    private mutating func turnAway(
        _ id: CommandID,
        _ entry: Entry,
        _ error: StoreError,
        from node: Node,
        at now: Double
    ) -> [Action] {
        guard let master = self.slots?.master(of: entry.slot), master != node, self.redirect(id) else {
            return self.wait(id, error, node, at: now)
        }
        return [self.ask(id, master, at: now)]
    }

    // MARK: The cluster

    /// A look has shown the cluster: everybody who waited for it goes on.
    mutating func adopt(_ seen: ClusterSlots, begun: Double, at now: Double) -> [Action] {
        let former = self.slots
        self.slots = seen
        var actions: [Action] = []
        for node in seen.masters where self.links[node] == nil {
            self.links[node] = now
            actions.append(.open(node))
        }
        for (node, used) in self.links
        where !seen.masters.contains(node) && now - used >= self.limits.idleSeconds {
            self.links[node] = nil
            self.troubles[node] = nil
            actions.append(.leave(node))
        }
        actions += self.recall(at: now)
        if seen.isServing {
            self.refusesSince = nil
            if self.isDown || !self.wasUp {
                (self.isDown, self.wasUp) = (false, true)
                actions.append(.tellUp)
            } else if let former, former.masters.contains(where: { self.troubles[$0] != nil }),
                !former.agrees(with: seen)
            {
                actions.append(.tellBack)
            }
        } else {
            let since = self.refusesSince ?? now
            self.refusesSince = since
            if now - since >= self.patience || !self.wasUp { actions += self.down(.clusterDown) }
        }
        return actions + self.release(begun, at: now)
    }

    /// Lets those go on that waited for a look which began so late.
    mutating func release(_ begun: Double, at now: Double) -> [Action] {
        var actions: [Action] = []
        let waited = self.waiting
        self.waiting = []
        for id in waited {
            guard let entry = self.entries[id], case .waiting(let error, let node, let since) = entry.stage
            else { continue }
            // Where nothing was known of its slot, anything is news.
            let isNews = node == nil && self.slots?.master(of: entry.slot) != nil
            guard since <= begun || isNews else {
                self.waiting.append(id)
                continue
            }
            if let master = self.slots?.master(of: entry.slot), master != node, !self.isDown,
                node == nil || self.redirect(id)
            {
                actions.append(self.ask(id, master, at: now))
            } else {
                actions += self.finish(id, .failure(error))
            }
        }
        return self.waiting.isEmpty ? actions : actions + self.wantLook(at: now)
    }

    /// Tells whoever has a slot now what its former master may have taken with it, before anybody asks for it.
    private mutating func recall(at now: Double) -> [Action] {
        var actions: [Action] = []
        for _ in 0..<self.recalled.count {
            guard let told = self.recalled.popFirst(), now - told.at <= self.limits.recallSeconds else {
                continue
            }
            guard let master = self.slots?.master(of: told.slot), master != told.node else {
                self.recalled.append(told)
                continue
            }
            self.ownID -= 1
            actions += self.enter(self.ownID + 1, told.command, began: told.at, at: now)
        }
        return actions
    }

    /// Nothing can be asked: whoever waits is told, and whoever comes is told at once.
    mutating func down(_ trouble: LinkTrouble) -> [Action] {
        var actions: [Action] = self.isDown ? [] : [.tellDown(trouble)]
        self.isDown = true
        for (id, entry) in self.entries {
            switch entry.stage {
            case .asked: continue
            case .waiting(let error, _, _): actions += self.finish(id, .failure(error))
            case .pausing: actions += self.finish(id, .failure(.refused("CLUSTERDOWN")))
            }
        }
        self.waiting = []
        return actions
    }

    // MARK: Time

    /// Looks at what is due.
    mutating func tick(at now: Double) -> [Action] {
        var actions: [Action] = []
        while let id = self.deadlines.first, let entry = self.entries[id], now >= entry.deadline {
            let error: StoreError =
                if case .waiting(let error, _, _) = entry.stage { error } else { .timedOut }
            actions += self.finish(id, .failure(error))
        }
        while let next = self.pausing.first, now >= next.until {
            _ = self.pausing.popFirst()
            if self.entries[next.id]?.stage == .pausing { actions += self.route(next.id, at: now) }
        }
        return actions + self.tickLooks(at: now)
    }

    /// When `tick` has something to do at the earliest.
    var nextTick: Double {
        if self.isStopped { return .infinity }
        let deadline = self.deadlines.first.flatMap { self.entries[$0]?.deadline }
        return min(deadline ?? .infinity, self.pausing.first?.until ?? .infinity, self.nextLook)
    }

    /// Ends it; nothing is done any more.
    mutating func stop() -> [Action] {
        self.isStopped = true
        self.looks = Looks()
        let ids = Array(self.entries.keys)
        return ids.flatMap { self.finish($0, .failure(.lost)) } + self.links.keys.map { .leave($0) }
    }
}
