// The URL of a Redis.

extension RedisAddress {
    /// Reads `redis://[user:password@]host[:port][/database]`, `rediss://…`, `unix:///path[?db=N]` and
    /// `redis+sentinel://[user:password@]host[:port][,host[:port]…]/master[/database]`, `rediss+sentinel://…`, with
    /// `?sentinel_username=` and `sentinel_password=` for the sentinels themselves, and
    /// `redis+cluster://[user:password@]host[:port][,host[:port]…]`, `rediss+cluster://…`.
    ///
    /// - Throws: a sentence for people; never the URL, which may hold a password.
    package init(url: String) throws(RedisAddressError) {
        guard let colon = url.firstRange(of: "://") else {
            throw .init("expected redis://HOST:PORT/DATABASE")
        }
        let scheme = url[..<colon.lowerBound].lowercased()
        let rest = String(url[colon.upperBound...])
        switch scheme {
        case "unix", "redis+unix", "redis+socket": try self.init(socket: rest)
        case "redis": try self.init(authority: rest)
        case "rediss":
            try self.init(authority: rest)
            self.tls = TLS()
        case "redis+sentinel", "redis-sentinel": try self.init(sentinels: rest)
        case "rediss+sentinel":
            try self.init(sentinels: rest)
            self.tls = TLS()
        case "redis+cluster", "redis-cluster": try self.init(cluster: rest)
        case "rediss+cluster":
            try self.init(cluster: rest)
            self.tls = TLS()
        default:
            throw .init(
                "expected the scheme redis, rediss, redis+sentinel, redis+cluster or unix, found '\(scheme)'"
            )
        }
    }

    private init(sentinels rest: String) throws(RedisAddressError) {
        let halves = rest.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let parts = halves[0].split(separator: "/", omittingEmptySubsequences: false)
        // A number alone is a database whose master was forgotten.
        guard parts.count == 2 || parts.count == 3, let master = Self.decoded(parts[1]),
            Sentinels.isName(master), Int(master) == nil
        else { throw .init("expected redis+sentinel://HOST:PORT,HOST:PORT/MASTER/DATABASE") }
        let (pair, places) = Self.halves(parts[0])
        var sentinels = Sentinels(master: master, nodes: try Self.nodes(places, usual: 26_379))
        try sentinels.read(halves.count == 2 ? halves[1] : "")
        self.init(.sentinels(sentinels))
        if let pair { try self.read(pair) }
        if parts.count == 3 { try self.readDatabase(parts[2]) }
    }

    private init(cluster rest: String) throws(RedisAddressError) {
        let parts = rest.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let (pair, places) = Self.halves(parts[0])
        // A cluster has one database.
        guard !rest.contains("?"), !rest.contains("#"),
            parts.count == 1 || parts[1].isEmpty || parts[1] == "0"
        else {
            throw .init(
                "expected redis+cluster://HOST:PORT,HOST:PORT and nothing after it: a cluster has no database but 0"
            )
        }
        self.init(.cluster(Cluster(nodes: try Self.nodes(places, usual: 6379))))
        if let pair { try self.read(pair) }
    }

    private static func nodes(_ places: Substring, usual: Int) throws(RedisAddressError) -> [Node] {
        var nodes: [Node] = []
        for place in places.split(separator: ",", omittingEmptySubsequences: false) {
            let (host, port) = try Self.hostAndPort(place, usual: usual)
            nodes.append(Node(host: host, port: port))
        }
        return nodes
    }

    /// What stands before the last `@`, if there is one, and what stands behind it.
    private static func halves(_ authority: Substring) -> (Substring?, Substring) {
        guard let sign = authority.lastIndex(of: "@") else { return (nil, authority) }
        return (authority[..<sign], authority[authority.index(after: sign)...])
    }

    private mutating func read(_ pair: Substring) throws(RedisAddressError) {
        let pair = pair.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard pair.count == 2, let user = Self.decoded(pair[0]), let password = Self.decoded(pair[1]),
            !password.isEmpty
        else { throw .init("expected USER:PASSWORD or :PASSWORD before the '@', percent-encoded") }
        self.user = user.isEmpty ? nil : user
        self.password = password
    }

    private mutating func readDatabase(_ text: Substring) throws(RedisAddressError) {
        guard !text.isEmpty else { return }
        guard let number = Self.database(text) else {
            throw .init("expected the number of a database at the end")
        }
        self.database = number
    }

    private init(socket rest: String) throws(RedisAddressError) {
        let parts = rest.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = String(parts[0])
        guard path.hasPrefix("/"), path.utf8.count > 1, path.utf8.count < 104 else {
            throw .init("expected unix:///PATH of at most 103 octets")
        }
        self.init(.socket(path: path))
        guard parts.count == 2 else { return }
        guard parts[1].hasPrefix("db="), let number = Self.database(parts[1].dropFirst(3)) else {
            throw .init("expected ?db=NUMBER after the path of the socket")
        }
        self.database = number
    }

    private init(authority rest: String) throws(RedisAddressError) {
        guard !rest.contains("?"), !rest.contains("#") else {
            throw .init("expected nothing after the number of the database")
        }
        let parts = rest.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let (pair, place) = Self.halves(parts[0])
        guard !place.contains(",") else {
            throw .init(
                "several hosts are a cluster, redis+cluster://, or sentinels, redis+sentinel://"
            )
        }
        let (host, port) = try Self.hostAndPort(place, usual: 6379)
        self.init(.tcp(host: host, port: port))
        if let pair { try self.read(pair) }
        if parts.count == 2 { try self.readDatabase(parts[1]) }
    }

    private static func hostAndPort(
        _ text: Substring,
        usual: Int
    ) throws(RedisAddressError) -> (String, Int) {
        var host = text
        var port: Substring?
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else {
                throw .init("expected ']' after an IPv6 address")
            }
            host = text[text.index(after: text.startIndex)..<end]
            let tail = text[text.index(after: end)...]
            guard tail.isEmpty || tail.hasPrefix(":") else { throw .init("expected a port after ']'") }
            port = tail.isEmpty ? nil : tail.dropFirst()
        } else if let colon = text.lastIndex(of: ":") {
            host = text[..<colon]
            port = text[text.index(after: colon)...]
        }
        let allowed = host.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "%") }
        guard !host.isEmpty, allowed, text.hasPrefix("[") || !host.contains(":") else {
            throw .init("expected the name or address of a host")
        }
        guard let port else { return (String(host), usual) }
        guard let number = Int(port), (1...65_535).contains(number) else {
            throw .init("expected a port from 1 to 65535")
        }
        return (String(host), number)
    }

    private static func database(_ text: Substring) -> Int? {
        guard let number = Int(text), (0...1_000_000).contains(number) else { return nil }
        return number
    }

    /// Percent-decoded text; nil for what is none.
    fileprivate static func decoded(_ text: Substring) -> String? {
        var octets: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let octet = rest.popFirst() {
            guard octet == UInt8(ascii: "%") else {
                octets.append(octet)
                continue
            }
            guard rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            else { return nil }
            octets.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: octets, as: UTF8.self)
    }
}

extension RedisAddress.Sentinels {
    /// Reads who we are at the sentinels out of a query.
    fileprivate mutating func read(_ query: Substring) throws(RedisAddressError) {
        for item in query.split(separator: "&") {
            let parts = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[1].isEmpty, let value = RedisAddress.decoded(parts[1]) else {
                throw .init("expected NAME=VALUE after the '?', percent-encoded")
            }
            switch parts[0] {
            case "sentinel_username" where self.user == nil: self.user = value
            case "sentinel_password" where self.password == nil: self.password = value
            default: throw .init("expected sentinel_username and sentinel_password after the '?'")
            }
        }
        if self.user != nil, self.password == nil { throw .init("sentinel_username needs sentinel_password") }
    }
}
