// Many entries at one place of the tree, told apart by what they demand besides.
import Proxy

/// Entries with the same host and path and without patterns, found by method and by field instead of one by one.
final class Crowd: Sendable {
    /// So many entries are looked at one by one; more are a crowd.
    static let least = 9

    /// Entries that demand one field, by its value.
    private struct Group: Sendable {
        let name: FieldName
        var values = OctetTable()
        /// The entries of each value, best first.
        var entries: [[Int32]] = []

        mutating func insert(_ entry: Int32, _ value: String) {
            let place = self.values.insert(Array(value.utf8))
            if place == self.entries.count { self.entries.append([]) }
            self.entries[place].append(entry)
        }
    }

    /// One of the crowd: its rank, and its route.
    struct Member {
        let entry: Int32
        let route: Route
    }

    /// What two members must have in common for the worse never to be found.
    private struct Demand: Hashable {
        let methods: [String]
        let fields: [FieldDemand]
    }

    /// The best entry without fields for each method that has a number, and for any other.
    private let byMethod: [Int32]
    private let byOtherMethod: [String: Int32]
    private let groups: [Group]

    /// Sorts members, who come best first.
    init(_ members: [Member]) {
        var known: Set<Demand> = []
        let members = members.filter {
            known.insert(Demand(methods: $0.route.methods, fields: $0.route.fields)).inserted
        }
        let plain = members.filter { $0.route.fields.isEmpty }
        let numbers = 0...Method.other.rawValue
        self.byMethod = numbers.map { number in
            let best = plain.first { member in
                guard let method = Method(rawValue: number) else { return false }
                // Of methods without a number, only an entry that takes any is sure.
                return method == .other
                    ? member.route.methods.isEmpty : MethodSet(member.route.methods).contains(method)
            }
            return best?.entry ?? .max
        }
        var others: [String: Int32] = [:]
        for member in plain {
            for name in MethodSet.others(member.route.methods) where others[name] == nil {
                others[name] = member.entry
            }
        }
        self.byOtherMethod = others
        self.groups = Self.groups(members.filter { !$0.route.fields.isEmpty })
    }

    /// Files each member under that of its fields whose values the fewest others demand.
    private static func groups(_ members: [Member]) -> [Group] {
        var frequency: [String: Int] = [:]
        // Where nobody has more than one field, nobody has a choice.
        let isChoice = members.contains { $0.route.fields.count > 1 }
        for member in members where isChoice {
            for field in member.route.fields {
                for value in field.values { frequency["\(field.name):\(value)", default: 0] += 1 }
            }
        }
        var groups: [Group] = []
        var places: [String: Int] = [:]
        for member in members {
            let rarest =
                isChoice
                ? member.route.fields.min { Self.most($0, frequency) < Self.most($1, frequency) }
                : member.route.fields.first
            guard let rarest, let name = FieldName(rarest.name) else { continue }
            let place = places[rarest.name] ?? groups.count
            if place == groups.count {
                groups.append(Group(name: name))
                places[rarest.name] = place
            }
            for value in Set(rarest.values) { groups[place].insert(member.entry, value) }
        }
        return groups
    }

    private static func most(_ field: FieldDemand, _ frequency: [String: Int]) -> Int {
        field.values.reduce(0) { max($0, frequency["\(field.name):\($1)"] ?? 0) }
    }

    /// The best entry without fields that takes the request's method; `.max` for none.
    func withoutFields(_ head: RequestHead) -> Int32 {
        let best = self.byMethod[Int(head.method.rawValue)]
        guard head.method == .other, !self.byOtherMethod.isEmpty else { return best }
        return min(best, self.byOtherMethod[head.methodText] ?? .max)
    }

    /// Calls `body` with every list of entries, best first, one of whose fields the request has as demanded.
    func forEachWithField(_ head: RequestHead, _ body: ([Int32]) -> Void) {
        for group in self.groups {
            head.forEach { range in
                guard head.fields.isNamed(range, group.name) else { return }
                head.withValue(range) { value in
                    let hash = OctetTable.hash(value)
                    guard let place = group.values.find(value, 0..<value.count, hash: hash) else { return }
                    body(group.entries[place])
                }
            }
        }
    }
}
