// Hosts of routes, exact and with wildcards, of any port or of one, to the routes that have them in common.

import Proxy

/// A route's demand on the host.
enum HostDemand: Sendable, Hashable {
    case any
    case exact([UInt8])
    /// `*.example.com`: names that end with `.example.com`.
    case suffix([UInt8])
    /// `example.*`: names that begin with `example.`.
    case prefix([UInt8])

    /// Reads one of a route's `hosts`, which have no ports.
    init(_ text: String) {
        let octets = text.utf8.map(\.lowercased)
        if text.hasPrefix("*.") {
            self = .suffix(Array(octets.dropFirst()))
        } else if text.hasSuffix(".*") {
            self = .prefix(Array(octets.dropLast()))
        } else {
            self = .exact(octets)
        }
    }
}

extension HostDemand {
    /// How exactly a host is demanded: the higher comes first.
    enum Rank: Int {
        case wildcard, wildcardWithPort, exact, exactWithPort

        init(_ demand: HostDemand, port: UInt16?) {
            if case .exact = demand {
                self = port == nil ? .exact : .exactWithPort
            } else {
                self = port == nil ? .wildcard : .wildcardWithPort
            }
        }
    }
}

/// All demands on host and port, numbered together.
struct HostDirectory: Sendable {
    private var ofAnyPort = HostTable()
    /// Those that demand a port, by the port.
    private var ofPort: [UInt16: HostTable] = [:]
    /// How many different demands there are.
    private(set) var count: Int32 = 0

    /// The number of a demand; a port of nil is any.
    mutating func number(of demand: HostDemand, port: UInt16?) -> Int32 {
        let number =
            if let port {
                self.ofPort[port, default: HostTable()].number(of: demand, next: self.count)
            } else {
                self.ofAnyPort.number(of: demand, next: self.count)
            }
        self.count = max(self.count, number + 1)
        return number
    }

    /// Calls `body` with the number of every demand that a request's host and port meet, and gives how many names were
    /// looked up.
    ///
    /// As in Kong the port is that of the request's authority, else the one of the scheme.
    @inline(__always)
    func forEachMet(by head: RequestHead, from client: ClientFacts, _ body: (Int32) -> Void) -> Int {
        let host = head.host
        let lookups = self.ofAnyPort.forEachMet(by: host.span, body)
        guard !self.ofPort.isEmpty, let table = self.ofPort[head.port ?? client.scheme.defaultPort] else {
            return lookups
        }
        return lookups + 1 + table.forEachMet(by: host.span, body)
    }
}

/// Numbers what hosts demand; a request's host meets its numbers in one reading from either end.
struct HostTable: Sendable {
    /// A kind of demand: names, and the number of each.
    private struct Names: Sendable {
        var table = OctetTable()
        var numbers: [Int32] = []

        /// The number of a name, `next` if it is new.
        mutating func number(_ name: [UInt8], backwards: Bool = false, next: Int32) -> Int32 {
            let place = self.table.insert(name, backwards: backwards)
            if place == self.numbers.count { self.numbers.append(next) }
            return self.numbers[place]
        }
    }

    private var exact = Names()
    /// `*.example.com` as `.example.com`, hashed from its end.
    private var suffixes = Names()
    /// `example.*` as `example.`.
    private var prefixes = Names()
    private var any: Int32?

    /// The number of a demand, `next` if it is new.
    mutating func number(of demand: HostDemand, next: Int32) -> Int32 {
        switch demand {
        case .any:
            let number = self.any ?? next
            self.any = number
            return number
        case .exact(let name): return self.exact.number(name, next: next)
        case .suffix(let name): return self.suffixes.number(name, backwards: true, next: next)
        case .prefix(let name): return self.prefixes.number(name, next: next)
        }
    }

    /// Calls `body` with the number of every demand that a host meets, and gives how many names were looked up.
    @inline(__always)
    func forEachMet(by host: Span<UInt8>, _ body: (Int32) -> Void) -> Int {
        var lookups = 0
        if let any = self.any { body(any) }
        if self.exact.table.count > 0, host.count <= self.exact.table.longest {
            lookups += 1
            let hash = OctetTable.hash(host)
            if let place = self.exact.table.find(host, 0..<host.count, hash: hash) {
                body(self.exact.numbers[place])
            }
        }
        if self.suffixes.table.count > 0 { lookups += self.forEachSuffix(of: host, body) }
        if self.prefixes.table.count > 0 { lookups += self.forEachPrefix(of: host, body) }
        return lookups
    }

    private func forEachSuffix(of host: Span<UInt8>, _ body: (Int32) -> Void) -> Int {
        var hash = OctetHash()
        var lookups = 0
        var index = host.count - 1
        // At least one octet has to stand before the suffix.
        while index > 0, host.count - index <= self.suffixes.table.longest {
            hash.add(host[index])
            if host[index] == UInt8(ascii: "."), index < host.count - 1 {
                lookups += 1
                if let place = self.suffixes.table.find(host, index..<host.count, hash: hash.value) {
                    body(self.suffixes.numbers[place])
                }
            }
            index -= 1
        }
        return lookups
    }

    private func forEachPrefix(of host: Span<UInt8>, _ body: (Int32) -> Void) -> Int {
        var hash = OctetHash()
        var lookups = 0
        var index = 0
        // And behind the prefix.
        while index < host.count - 1, index < self.prefixes.table.longest {
            hash.add(host[index])
            index += 1
            guard host[index - 1] == UInt8(ascii: ".") else { continue }
            lookups += 1
            if let place = self.prefixes.table.find(host, 0..<index, hash: hash.value) {
                body(self.prefixes.numbers[place])
            }
        }
        return lookups
    }
}
