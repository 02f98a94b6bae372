// What a plugin changed of a query, as Envoy is told: parameters to set, and names to take out.
import Gateway
import Proxy

/// How one query becomes another; names and values as they are written, since Envoy compares them so.
struct QueryDifference: Sendable, Equatable {
    private(set) var set: [(name: String, value: String)] = []
    private(set) var removed: [String] = []

    private typealias Argument = (name: ArraySlice<UInt8>, value: ArraySlice<UInt8>)

    /// Nil where a name would have several values, which Envoy cannot be told.
    init?(_ passage: Passage) {
        let old = passage.request.query ?? []
        switch passage.upstreamQuery {
        case .unchanged: self.init(from: [], to: [])
        case .replaced(let query): self.init(from: old, to: (query ?? [])[...])
        }
    }

    /// Nil where a name would have several values, which Envoy cannot be told.
    init?(from old: ArraySlice<UInt8>, to new: ArraySlice<UInt8>) {
        let (before, after) = (Self.arguments(old), Self.arguments(new))
        var seen: Set<[UInt8]> = []
        for name in (before + after).map({ Array($0.name) }) where seen.insert(name).inserted {
            let values = after.filter { $0.name.elementsEqual(name) }.map { Array($0.value) }
            guard values != before.filter({ $0.name.elementsEqual(name) }).map({ Array($0.value) }) else {
                continue
            }
            let text = String(decoding: name, as: UTF8.self)
            switch values.count {
            case 0: removed.append(text)
            case 1: set.append((text, String(decoding: values[0], as: UTF8.self)))
            default: return nil
            }
        }
    }

    private static func arguments(_ query: ArraySlice<UInt8>) -> [Argument] {
        query.split(separator: UInt8(ascii: "&")).map { part in
            let equals = part.firstIndex(of: UInt8(ascii: "=")) ?? part.endIndex
            return (part[..<equals], part[equals...].dropFirst())
        }
    }

    static func == (one: QueryDifference, other: QueryDifference) -> Bool {
        one.removed == other.removed && one.set.elementsEqual(other.set, by: ==)
    }
}
