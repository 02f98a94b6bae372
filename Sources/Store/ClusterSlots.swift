// Which server of a cluster has which slot, as one of them told it.

/// A cluster as one of its servers sees it.
struct ClusterSlots: Sendable, Equatable {
    typealias Node = RedisAddress.Node

    /// The masters that have slots.
    private(set) var masters: [Node] = []
    /// For each slot the place of its master, or `unserved`.
    private var places = [UInt16](repeating: Self.unserved, count: HashSlot.count)
    /// The greatest number of a change that the server has heard of: one that knows less has a smaller one.
    private(set) var epoch: Int64 = 0
    /// Whether the cluster serves anything, by that server's word.
    private(set) var isServing = false

    private static let unserved = UInt16.max

    /// Reads the answers to `CLUSTER INFO` and `CLUSTER SLOTS`; nil for what are none.
    ///
    /// - Parameter asked: who gave them; a server without a host of its own is at the same.
    init?(info: RedisReply, slots: RedisReply, by asked: Node) {
        guard let info = info.text, let ranges = slots.elements else { return nil }
        for line in info.split(whereSeparator: \.isNewline) {
            if line == "cluster_state:ok" { self.isServing = true }
            if line.hasPrefix("cluster_current_epoch:") {
                self.epoch = Int64(line.dropFirst("cluster_current_epoch:".count)) ?? 0
            }
        }
        for range in ranges {
            guard let range = range.elements, range.count >= 3, let first = range[0].integer,
                let last = range[1].integer, first >= 0, first <= last, last < HashSlot.count
            else { return nil }
            // One whose name is not known to those whom we ask cannot be reached: its slots have no master.
            guard let node = Self.node(range[2], asked) else { continue }
            let place = self.place(of: node)
            for slot in first...last { self.places[Int(slot)] = place }
        }
    }

    /// A server: endpoint, port and more.
    private static func node(_ reply: RedisReply, _ asked: Node) -> Node? {
        guard let words = reply.elements, words.count >= 2, let port = words[1].integer,
            (1...65_535).contains(port)
        else { return nil }
        // RESP's null, and nothing, say: where you asked.
        let host = words[0].text ?? ""
        guard host != "?", host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
        return Node(host: host.isEmpty ? asked.host : host, port: Int(port))
    }

    private mutating func place(of node: Node) -> UInt16 {
        if let place = self.masters.firstIndex(of: node) { return UInt16(place) }
        self.masters.append(node)
        return UInt16(self.masters.count - 1)
    }

    /// Who has a slot; nil for nobody.
    func master(of slot: Int) -> Node? {
        let place = self.places[slot]
        return place == Self.unserved ? nil : self.masters[Int(place)]
    }

    /// Somebody says that another has a slot by now.
    mutating func move(_ slot: Int, to node: Node) { self.places[slot] = self.place(of: node) }

    /// How many slots have a master.
    var served: Int { self.places.count { $0 != Self.unserved } }

    /// Whether every slot has the same master here and there.
    func agrees(with other: ClusterSlots) -> Bool {
        if self.masters == other.masters { return self.places == other.places }
        return (0..<HashSlot.count).allSatisfy { self.master(of: $0) == other.master(of: $0) }
    }
}
