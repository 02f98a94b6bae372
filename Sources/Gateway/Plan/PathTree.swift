// Prefixes of paths in a tree, so that a path meets only those that it begins with.

/// A radix tree of byte strings, each with the entries that hang there; built once, then read only.
struct PathTree: Sendable {
    private struct Node: Sendable {
        /// The octets from the parent to here.
        var label: [UInt8]
        var children: [UInt8: Int32] = [:]
        var entries: [Int32] = []
    }

    private var nodes = [Node(label: [])]

    /// Adds an entry at a prefix; entries of one prefix keep the order in which they come.
    mutating func insert(_ prefix: ArraySlice<UInt8>, _ entry: Int32) {
        var node = 0
        var rest = prefix
        while let first = rest.first {
            guard let child = self.nodes[node].children[first] else {
                self.nodes.append(Node(label: Array(rest), entries: [entry]))
                self.nodes[node].children[first] = Int32(self.nodes.count - 1)
                return
            }
            let label = self.nodes[Int(child)].label
            let common = zip(label, rest).prefix { $0 == $1 }.count
            if common < label.count { self.split(Int(child), of: node, at: common) }
            node = common < label.count ? self.nodes.count - 1 : Int(child)
            rest = rest.dropFirst(common)
        }
        self.nodes[node].entries.append(entry)
    }

    /// Puts a node between `parent` and `child`, after `count` octets of the child's label.
    private mutating func split(_ child: Int, of parent: Int, at count: Int) {
        let label = self.nodes[child].label
        var middle = Node(label: Array(label[..<count]))
        middle.children[label[count]] = Int32(child)
        self.nodes.append(middle)
        self.nodes[child].label = Array(label[count...])
        self.nodes[parent].children[label[0]] = Int32(self.nodes.count - 1)
    }

    /// Calls `body` with the entries of every prefix of `path`, the shortest first.
    func forEachPrefix<E: Error>(of path: ArraySlice<UInt8>, _ body: ([Int32]) throws(E) -> Void) throws(E) {
        var node = 0
        var position = path.startIndex
        while true {
            if !self.nodes[node].entries.isEmpty { try body(self.nodes[node].entries) }
            guard position < path.endIndex, let child = self.nodes[node].children[path[position]] else {
                return
            }
            let label = self.nodes[Int(child)].label
            guard path.endIndex - position >= label.count else { return }
            for offset in label.indices where path[position + offset] != label[offset] { return }
            position += label.count
            node = Int(child)
        }
    }
}
