// Prefixes of paths in a tree, so that a path meets only those that it begins with.

/// An entry of a tree: where it hangs, and what it is called.
struct PathKey: Sendable {
    /// Which of the trees.
    let root: Int32
    /// Where its prefix stands among the octets of all.
    let start: Int32
    let count: Int32
    /// Entries that need a pattern are kept apart from those that do not.
    let needsPattern: Bool
    let entry: Int32
}

/// Radix trees of octets, as many as there are roots; made once from all keys, then read only.
///
/// Nodes lie in one array, breadth first, so that the children of a node stand side by side, and are plain numbers:
/// a walk neither allocates nor counts references.
struct PathTree: Sendable {
    /// A node, with all of its parts in other arrays.
    struct Node: Sendable {
        fileprivate(set) var labelStart: Int32 = 0
        fileprivate(set) var labelCount: Int32 = 0
        fileprivate(set) var firstChild: Int32 = 0
        fileprivate(set) var childCount: Int32 = 0
        /// Its entries: up to `plainEnd` those that need no pattern, up to `end` the others, each in their order.
        fileprivate(set) var start: Int32 = 0
        fileprivate(set) var plainEnd: Int32 = 0
        fileprivate(set) var end: Int32 = 0
    }

    private(set) var nodes: [Node]
    private(set) var entries: [Int32] = []
    /// The octets from a node's parent to the node.
    private var labels: [UInt8] = []
    /// Each label's first octet, once more: what a child is found by.
    private var firsts: [UInt8]

    /// Builds trees; entries of one prefix come in the order of their numbers.
    init(_ keys: [PathKey], octets: [UInt8], roots: Int32) {
        var builder = Builder(keys, octets)
        self.nodes = Array(repeating: Node(), count: Int(roots))
        self.firsts = Array(repeating: 0, count: Int(roots))
        var spans = builder.rootSpans(roots)
        var next = 0
        while next < self.nodes.count {
            self.expand(next, &spans, &builder)
            next += 1
        }
        // What growing left over is given back: this stays as long as the plan.
        self.nodes = Array(self.nodes.lazy)
        self.labels = Array(self.labels.lazy)
        self.firsts = Array(self.firsts.lazy)
    }

    /// Gives a node its entries and its children.
    private mutating func expand(_ node: Int, _ spans: inout [Builder.Reach], _ builder: inout Builder) {
        let reach = spans[node]
        var place = reach.keys.lowerBound
        self.nodes[node].start = Int32(self.entries.count)
        self.nodes[node].plainEnd = Int32(self.entries.count)
        while place < reach.keys.upperBound, builder.keys[place].count == reach.depth {
            self.entries.append(builder.keys[place].entry)
            if !builder.keys[place].needsPattern { self.nodes[node].plainEnd = Int32(self.entries.count) }
            place += 1
        }
        self.nodes[node].end = Int32(self.entries.count)
        self.nodes[node].firstChild = Int32(self.nodes.count)
        while place < reach.keys.upperBound {
            let child = builder.child(at: place, of: reach)
            let label = builder.label(of: child, from: reach.depth)
            self.nodes.append(Node(labelStart: Int32(self.labels.count), labelCount: Int32(label.count)))
            self.labels.append(contentsOf: label)
            self.firsts.append(label.first ?? 0)
            spans.append(child)
            place = child.keys.upperBound
        }
        self.nodes[node].childCount = Int32(self.nodes.count) - self.nodes[node].firstChild
    }

    /// Calls `body` with every node on a path's way, from the root on, and gives how many there were.
    @inline(__always)
    func walk(from root: Int32, along path: Span<UInt8>, _ body: (Int) -> Void) -> Int {
        var node = Int(root)
        var position = 0
        var met = 1
        while true {
            body(node)
            guard position < path.count, let child = self.child(of: node, path[position]) else { return met }
            let (start, count) = (Int(self.nodes[child].labelStart), Int(self.nodes[child].labelCount))
            guard path.count - position >= count else { return met }
            var offset = 1
            while offset < count {
                guard path[position + offset] == self.labels[start + offset] else { return met }
                offset += 1
            }
            position += count
            node = child
            met += 1
        }
    }

    @inline(__always)
    private func child(of node: Int, _ octet: UInt8) -> Int? {
        var low = Int(self.nodes[node].firstChild)
        var high = low + Int(self.nodes[node].childCount)
        while high - low > 8 {
            let middle = (low + high) / 2
            if self.firsts[middle] <= octet { low = middle } else { high = middle }
        }
        while low < high {
            if self.firsts[low] == octet { return low }
            low += 1
        }
        return nil
    }
}

extension PathTree {
    /// Keys in the order of a tree.
    private struct Builder {
        /// Keys that share their first octets.
        struct Reach {
            let keys: Range<Int>
            /// How many octets they share.
            let depth: Int
        }

        let keys: [PathKey]
        private let octets: [UInt8]

        init(_ keys: [PathKey], _ octets: [UInt8]) {
            self.octets = octets
            self.keys = keys.sorted { Self.precedes($0, $1, octets) }
        }

        private static func precedes(_ one: PathKey, _ other: PathKey, _ octets: [UInt8]) -> Bool {
            guard one.root == other.root else { return one.root < other.root }
            if one.start != other.start {
                for offset in 0..<Int(min(one.count, other.count)) {
                    let (mine, theirs) = (octets[Int(one.start) + offset], octets[Int(other.start) + offset])
                    if mine != theirs { return mine < theirs }
                }
            }
            guard one.count == other.count else { return one.count < other.count }
            guard one.needsPattern == other.needsPattern else { return other.needsPattern }
            return one.entry < other.entry
        }

        /// The keys of each root.
        func rootSpans(_ roots: Int32) -> [Reach] {
            var place = 0
            return (0..<roots).map { root in
                let start = place
                while place < self.keys.count, self.keys[place].root == root { place += 1 }
                return Reach(keys: start..<place, depth: 0)
            }
        }

        /// The keys from `place` on that share one more octet, and all that they share.
        func child(at place: Int, of reach: Reach) -> Reach {
            let octet = self.octet(place, reach.depth)
            var end = place + 1
            while end < reach.keys.upperBound, self.octet(end, reach.depth) == octet { end += 1 }
            // In this order, what the first and the last share is shared by all between them.
            let most = Int(min(self.keys[place].count, self.keys[end - 1].count))
            var depth = reach.depth + 1
            while depth < most, self.octet(place, depth) == self.octet(end - 1, depth) { depth += 1 }
            return Reach(keys: place..<end, depth: depth)
        }

        func label(of child: Reach, from depth: Int) -> ArraySlice<UInt8> {
            let start = Int(self.keys[child.keys.lowerBound].start)
            return self.octets[(start + depth)..<(start + child.depth)]
        }

        private func octet(_ place: Int, _ depth: Int) -> UInt8 {
            self.octets[Int(self.keys[place].start) + depth]
        }
    }
}
