// The code of HPACK's strings, and a machine that reads it four bits at a time.

/// The Huffman code of RFC 7541, Appendix B.
///
/// The code is canonical: codes of one length follow each other in the order of their symbols, and longer ones follow
/// shorter ones. So the lengths say it all.
enum HuffmanCode {
    /// The length in bits of each octet's code, and of EOS last.
    static let lengths: [UInt8] = [
        13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28,
        28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6,
        6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
        7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7,
        7,
        7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24,
        22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22,
        24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19,
        22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28,
        27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27,
        27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
    ]

    /// The machine that reads the code.
    static let machine = HuffmanMachine(lengths: Self.lengths)
}

/// States of a code's tree, and where four more bits lead.
///
/// No code is shorter than five bits, so four bits end one symbol at most.
final class HuffmanMachine: Sendable {
    /// For each state and four bits: the next state, the symbol that ended, and whether there was one.
    private let steps: [UInt32]

    private static let emits: UInt32 = 1 << 24
    private static let fails: UInt32 = 1 << 25
    /// The text may end here: what is left over is the beginning of EOS, and less than an octet (RFC 7541 §5.2).
    private static let ends: UInt32 = 1 << 26

    /// A node of the tree while it is built: where 0 and 1 lead, as a place of another node or as `~symbol`.
    private typealias Node = (zero: Int, one: Int)

    /// Builds the machine of a canonical code whose last symbol is EOS.
    init(lengths: [UInt8]) {
        let nodes = Self.tree(lengths)
        var (ending, node) = (Set([0]), 0)
        for _ in 0..<7 {
            node = nodes[node].one
            ending.insert(node)
        }
        var steps: [UInt32] = []
        steps.reserveCapacity(nodes.count * 16)
        for start in nodes.indices {
            for bits in 0..<16 {
                steps.append(Self.step(from: start, bits, nodes, ending, eos: lengths.count - 1))
            }
        }
        self.steps = steps
    }

    private static func tree(_ lengths: [UInt8]) -> [Node] {
        var nodes: [Node] = [(0, 0)]
        var (code, last) = (0, 0)
        for symbol in lengths.indices.sorted(by: { (lengths[$0], $0) < (lengths[$1], $1) }) {
            let length = Int(lengths[symbol])
            code <<= length - last
            last = length
            var node = 0
            for bit in stride(from: length - 1, through: 0, by: -1) {
                let isOne = code >> bit & 1 == 1
                var next = isOne ? nodes[node].one : nodes[node].zero
                if bit == 0 {
                    next = ~symbol
                } else if next == 0 {
                    next = nodes.count
                    nodes.append((0, 0))
                }
                if isOne { nodes[node].one = next } else { nodes[node].zero = next }
                node = next
            }
            code += 1
        }
        return nodes
    }

    private static func step(
        from start: Int,
        _ bits: Int,
        _ nodes: [Node],
        _ ending: Set<Int>,
        eos: Int
    ) -> UInt32 {
        var (node, step) = (start, UInt32(0))
        for bit in stride(from: 3, through: 0, by: -1) {
            let next = bits >> bit & 1 == 1 ? nodes[node].one : nodes[node].zero
            guard next < 0 else {
                node = next
                continue
            }
            guard ~next != eos else { return Self.fails }
            step |= Self.emits | UInt32(~next) << 8
            node = 0
        }
        return step | UInt32(node) | (ending.contains(node) ? Self.ends : 0)
    }

    /// Reads a text and appends it to `output`; false if the code is broken or badly padded.
    func read(_ text: Span<UInt8>, into output: inout [UInt8]) -> Bool {
        let steps = self.steps
        var step = Self.ends
        for index in text.indices {
            let octet = text[index]
            step = steps[Int(step & 0xFF) &* 16 &+ Int(octet &>> 4)]
            if step & (Self.emits | Self.fails) != 0 {
                guard step & Self.fails == 0 else { return false }
                output.append(UInt8(truncatingIfNeeded: step &>> 8))
            }
            step = steps[Int(step & 0xFF) &* 16 &+ Int(octet & 15)]
            if step & (Self.emits | Self.fails) != 0 {
                guard step & Self.fails == 0 else { return false }
                output.append(UInt8(truncatingIfNeeded: step &>> 8))
            }
        }
        return step & Self.ends != 0
    }
}
