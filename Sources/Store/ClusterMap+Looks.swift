// Looks at a cluster: one server after the other is asked what it knows, until one knows enough.

extension ClusterMap {
    /// The looks at the cluster.
    struct Looks: Sendable {
        /// One look, which asks one server at a time.
        struct Look: Sendable {
            let id: LookID
            let node: Node
            let begun: Double
            let until: Double
            /// Who is asked next.
            var rest: [Node]
            /// The best that was heard so far, if none of it was good enough.
            var best: ClusterSlots?
            /// The most telling trouble so far.
            var trouble: LinkTrouble?
        }

        var current: Look?
        /// When the next one begins.
        var nextAt = Double.infinity
        var begunAt = -Double.infinity
        var count: LookID = 0
        /// Looks in a row that showed nothing.
        var failures = 0
        /// The greatest epoch that was heard of.
        var epoch: Int64 = 0
    }

    /// Connects, if nobody has wanted anything yet.
    mutating func start(at now: Double) -> [Action] { self.wantLook(at: now) }

    /// Somebody has reason to think that the cluster is another by now: many such reasons are one look.
    mutating func wantLook(at now: Double) -> [Action] {
        // While nothing answers the looks have their own pauses.
        if !self.isDown {
            self.looks.nextAt = min(self.looks.nextAt, self.looks.begunAt + self.limits.lookGapSeconds)
        }
        return self.looks.current == nil && now >= self.looks.nextAt ? self.beginLook(at: now) : []
    }

    private mutating func beginLook(at now: Double) -> [Action] {
        self.looks.nextAt = .infinity
        self.looks.begunAt = now
        let masters = self.slots?.masters ?? []
        // Another one first each time: one that was cut off must not be the only one who is believed.
        let turn = masters.isEmpty ? 0 : Int(self.looks.count % UInt64(masters.count))
        let known = Array(masters[turn...] + masters[..<turn])
        var order = known + self.seeds.filter { !known.contains($0) }
        order = order.filter { self.troubles[$0] == nil } + order.filter { self.troubles[$0] != nil }
        return self.askNext(order[...], nil, nil, begun: now, at: now)
    }

    private mutating func askNext(
        _ order: ArraySlice<Node>,
        _ best: ClusterSlots?,
        _ trouble: LinkTrouble?,
        begun: Double,
        at now: Double
    ) -> [Action] {
        guard let node = order.first else { return self.endLook(best, trouble, begun: begun, at: now) }
        self.looks.count += 1
        self.looks.current = Looks.Look(
            id: self.looks.count,
            node: node,
            begun: begun,
            until: now + self.limits.lookSeconds,
            rest: Array(order.dropFirst()),
            best: best,
            trouble: trouble
        )
        if self.slots?.masters.contains(node) != true { self.links[node] = now }
        return [.look(self.looks.count, node)]
    }

    /// A server has said what it knows, or cannot.
    mutating func looked(
        _ id: LookID,
        _ result: Result<(info: RedisReply, slots: RedisReply), StoreError>,
        at now: Double
    ) -> [Action] {
        guard var look = self.looks.current, look.id == id else { return [] }
        switch result {
        case .success(let said):
            guard let seen = ClusterSlots(info: said.info, slots: said.slots, by: look.node) else {
                look.trouble = .malformed
                break
            }
            if seen.isServing, seen.epoch >= self.looks.epoch { return self.show(seen, look.begun, at: now) }
            // Whoever is behind, or sees no cluster that serves, may have been cut off from it.
            if look.best.map({ ($0.isServing ? 1 : 0, $0.epoch) < (seen.isServing ? 1 : 0, seen.epoch) })
                ?? true
            {
                look.best = seen
            }
        case .failure(.refused("ERR")): look.trouble = .notCluster
        case .failure(.refused(let code)): look.trouble = .refused(code)
        case .failure: look.trouble = self.troubles[look.node] ?? look.trouble ?? .unreachable
        }
        return self.askNext(look.rest[...], look.best, look.trouble, begun: look.begun, at: now)
    }

    private mutating func show(_ seen: ClusterSlots, _ begun: Double, at now: Double) -> [Action] {
        self.looks.current = nil
        self.looks.epoch = seen.epoch
        self.looks.failures = 0
        let isWhole = seen.isServing && seen.masters.allSatisfy { self.troubles[$0] == nil }
        self.looks.nextAt = now + (isWhole ? self.limits.watchSeconds : self.limits.pauses.upperBound)
        return self.adopt(seen, begun: begun, at: now)
    }

    /// Everybody was asked.
    private mutating func endLook(
        _ best: ClusterSlots?,
        _ trouble: LinkTrouble?,
        begun: Double,
        at now: Double
    ) -> [Action] {
        if let best { return self.show(best, begun, at: now) }
        self.looks.current = nil
        self.looks.failures += 1
        let pause = self.limits.pauses.lowerBound * Double(1 << min(self.looks.failures - 1, 16))
        self.looks.nextAt = now + min(pause, self.limits.pauses.upperBound)
        // Masters that answer are not left because nobody tells of the cluster.
        let isThere = self.slots?.masters.contains { self.troubles[$0] == nil } ?? false
        return self.release(begun, at: now) + (isThere ? [] : self.down(trouble ?? .unreachable))
    }

    /// A server can be reached, or again.
    mutating func linkUp(_ node: Node, at now: Double) -> [Action] {
        guard self.troubles.removeValue(forKey: node) != nil else { return [] }
        let isBack = self.slots?.masters.contains(node) == true && !self.isDown
        if self.isDown { self.looks.nextAt = min(self.looks.nextAt, now) }
        return (isBack ? [.tellBack] : []) + self.wantLook(at: now)
    }

    /// A server cannot be reached.
    mutating func linkDown(_ node: Node, _ trouble: LinkTrouble, at now: Double) -> [Action] {
        self.troubles[node] = trouble
        guard let masters = self.slots?.masters, masters.contains(node) else { return [] }
        let isThere = masters.contains { self.troubles[$0] == nil }
        return (isThere ? [] : self.down(trouble)) + self.wantLook(at: now)
    }

    mutating func tickLooks(at now: Double) -> [Action] {
        if let look = self.looks.current {
            guard now >= look.until else { return [] }
            let trouble = self.troubles[look.node] ?? .silent
            return self.askNext(
                look.rest[...],
                look.best,
                look.trouble ?? trouble,
                begun: look.begun,
                at: now
            )
        }
        return now >= self.looks.nextAt ? self.beginLook(at: now) : []
    }

    /// When a look has something to do.
    var nextLook: Double { self.looks.current?.until ?? self.looks.nextAt }
}
