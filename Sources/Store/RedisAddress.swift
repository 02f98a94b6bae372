// Where a Redis is, and how it is spoken to.

/// A Redis: the place, who we are there, and which database.
package struct RedisAddress: Sendable, Hashable {
    /// Where it listens.
    package enum Place: Sendable, Hashable {
        case tcp(host: String, port: Int)
        case socket(path: String)
    }

    /// How TLS is spoken.
    package struct TLS: Sendable, Hashable {
        /// Whether the server has to prove its name.
        package var verifies = true
        /// The name that it has to prove, where it is not the host.
        package var serverName: String?

        /// TLS with a server that proves its host's name.
        package init() {}
    }

    /// Where it listens.
    package var place: Place
    /// The user; nil is Redis' default user.
    package var user: String?
    /// The password; nil shows none.
    package var password: String?
    /// The number of the database.
    package var database = 0
    /// TLS; nil speaks plainly.
    package var tls: TLS?
    /// Seconds until a connection must stand.
    package var connectSeconds = 2.0
    /// Seconds until a command must be answered.
    package var commandSeconds = 2.0
    /// What every key begins with.
    package var prefix = "gatehouse:"

    /// A Redis without user or TLS.
    package init(_ place: Place) { self.place = place }

    /// Names it for logs and metrics: no user, no password.
    package var title: String {
        switch self.place {
        case .tcp(let host, let port):
            "\(self.tls == nil ? "redis" : "rediss")://\(host.contains(":") ? "[\(host)]" : host):\(port)/\(self.database)"
        case .socket(let path): "unix://\(path)"
        }
    }

    // MARK: As a URL

    /// Reads `redis://[user:password@]host[:port][/database]`, `rediss://…` and `unix:///path[?db=N]`.
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
        case "redis+sentinel", "redis-sentinel", "rediss+sentinel", "redis+cluster", "redis-cluster",
            "rediss+cluster":
            throw .init("sentinel and cluster are not served yet; name one server by redis:// or rediss://")
        default: throw .init("expected the scheme redis, rediss or unix, found '\(scheme)'")
        }
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
        let authority = parts[0]
        let sign = authority.lastIndex(of: "@")
        let place = sign.map { authority[authority.index(after: $0)...] } ?? authority
        guard !place.contains(",") else {
            throw .init("several hosts are a cluster or sentinels, which are not served yet")
        }
        let (host, port) = try Self.hostAndPort(place)
        self.init(.tcp(host: host, port: port))
        if let sign {
            let pair = authority[..<sign].split(
                separator: ":",
                maxSplits: 1,
                omittingEmptySubsequences: false
            )
            guard pair.count == 2, let user = Self.decoded(pair[0]), let password = Self.decoded(pair[1]),
                !password.isEmpty
            else { throw .init("expected USER:PASSWORD or :PASSWORD before the '@', percent-encoded") }
            self.user = user.isEmpty ? nil : user
            self.password = password
        }
        if parts.count == 2, !parts[1].isEmpty {
            guard let number = Self.database(parts[1]) else {
                throw .init("expected the number of a database after the host")
            }
            self.database = number
        }
    }

    private static func hostAndPort(_ text: Substring) throws(RedisAddressError) -> (String, Int) {
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
        guard let port else { return (String(host), 6379) }
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
    private static func decoded(_ text: Substring) -> String? {
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

/// What is wrong with an address, for people; never the address itself.
package struct RedisAddressError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }

    /// Nothing here makes stores.
    package static let noStore = RedisAddressError("no store is served here")
}
