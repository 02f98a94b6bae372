// Sealed sessions in Redis.
package import Store

/// A vault in Redis: a hash for each session, a sorted set for each owner, a key for each lease.
///
/// | key | holds |
/// | --- | --- |
/// | prefix + key | `d`: the sealed session, `v`: the fencing number, `c`: milliseconds since 1970 at the login |
/// | prefix + key + `:lease` | who renews the tokens now |
/// | prefix + owner | the owner's keys, by the time of their logins |
/// | prefix + `endings` | what was ended (`EndingLog`), a stream |
///
/// No command and no script touches two keys, for in a cluster they lie with different servers. What takes several is written
/// so that it may end after each of them: nobody has a session's handle before `create` is over, and a list that names a
/// session which is gone does no harm.
package struct RedisVault: SessionVault {
    /// What is spoken to.
    let redis: Redis
    private let prefix: String
    /// How long a look at what was ended waits for something new; on a connection that nothing else goes over.
    private let listensSeconds: Double

    /// A vault in this Redis.
    ///
    /// - Parameter listens: whether it is only for hearing of what was ended, and may wait for that.
    package init(_ redis: Redis, listens: Bool = false) {
        self.redis = redis
        listensSeconds = listens ? min(0.5, redis.address.commandSeconds / 2) : 0
        prefix = redis.address.prefix
    }

    package var isDown: Bool { redis.isDown }
    package var upSeconds: Double? { redis.upSeconds }

    func name(_ key: String) -> RedisWord { RedisWord(prefix + key) }
    private func leaseName(_ key: String) -> RedisWord { RedisWord(prefix + key + ":lease") }

    /// Milliseconds, at least one, so that nothing is kept for ever.
    static func milliseconds(_ seconds: Double) -> RedisWord {
        RedisWord(max(1, Int(min(seconds, 40_000_000) * 1000)))
    }

    // MARK: Records

    // ARGV: record, milliseconds since 1970 at the login, milliseconds to live.
    private static let creation = """
        redis.call('HSET', KEYS[1], 'd', ARGV[1], 'v', 1, 'c', ARGV[2])
        redis.call('PEXPIRE', KEYS[1], ARGV[3])
        return 1
        """

    // ARGV: milliseconds since 1970 at the login, key, milliseconds that an owner has to name it.
    private static let listing = """
        redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1] - ARGV[3])
        redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
        redis.call('PEXPIRE', KEYS[1], ARGV[3])
        return 1
        """

    package func create(_ key: String, _ record: FirstRecord) async throws(StoreUnavailable) {
        let login = RedisWord(Int(record.createdAt * 1000))
        let reply = try await run(
            Self.creation,
            key: name(key),
            [RedisWord(record.octets), login, Self.milliseconds(record.seconds)]
        )
        guard reply == .integer(1) else { throw StoreUnavailable("malformed-reply") }
        // Listed only when it is there: whoever ends all that a list names finds it.
        for owner in record.owners {
            _ = try await run(
                Self.listing,
                key: name(owner),
                [login, RedisWord(key), Self.milliseconds(record.longestSeconds)]
            )
        }
    }

    package func read(_ key: String) async throws(StoreUnavailable) -> VaultRecord? {
        let replies = try await call([
            RedisCommand(["HMGET", name(key), "d", "v"], isRepeatable: true),
            RedisCommand(["PTTL", name(key)], isRepeatable: true),
        ])
        guard replies.count == 2, let fields = replies[0].elements, fields.count == 2,
            let remaining = replies[1].integer
        else { throw StoreUnavailable("malformed-reply") }
        guard fields[0] != .null else { return nil }
        guard let octets = fields[0].octets, let version = fields[1].text.flatMap({ Int64($0) }) else {
            throw StoreUnavailable("malformed-reply")
        }
        // It may have ended between the two.
        guard remaining != -2 else { return nil }
        return VaultRecord(
            octets: octets,
            version: version,
            remainingSeconds: remaining < 0 ? .infinity : Double(remaining) / 1000
        )
    }

    private static let replacement = """
        local version = redis.call('HGET', KEYS[1], 'v')
        if not version then return 0 end
        if version ~= ARGV[1] then return -1 end
        redis.call('HSET', KEYS[1], 'd', ARGV[2], 'v', version + 1)
        redis.call('PEXPIRE', KEYS[1], ARGV[3])
        return version + 1
        """

    package func replace(
        _ key: String,
        _ octets: [UInt8],
        after version: Int64,
        seconds: Double
    ) async throws(StoreUnavailable) -> Replacement {
        let reply = try await run(
            Self.replacement,
            key: name(key),
            [RedisWord(Int(version)), RedisWord(octets), Self.milliseconds(seconds)]
        )
        switch reply.integer {
        case .some(0): return .gone
        case .some(-1): return .newer
        case .some(let version): return .written(version: version)
        case .none: throw StoreUnavailable("malformed-reply")
        }
    }

    package func touch(_ key: String, seconds: Double) async throws(StoreUnavailable) {
        _ = try await call([
            RedisCommand(["PEXPIRE", name(key), Self.milliseconds(seconds)], isRepeatable: true)
        ])
    }

    private static let removal = """
        local version = redis.call('HGET', KEYS[1], 'v')
        if version and version ~= ARGV[1] then return 0 end
        redis.call('DEL', KEYS[1])
        return 1
        """

    package func remove(_ key: String, after version: Int64?) async throws(StoreUnavailable) -> Bool {
        guard let version else {
            _ = try await call([RedisCommand(["DEL", name(key)], isRepeatable: true, outlivesFailover: true)])
            return true
        }
        let reply = try await run(
            Self.removal,
            key: name(key),
            [RedisWord(Int(version))],
            outlivesFailover: true
        )
        return reply == .integer(1)
    }

    // MARK: Leases

    private static let leasing = """
        local holder = redis.call('GET', KEYS[1])
        if holder and holder ~= ARGV[1] then return 0 end
        redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
        return 1
        """

    package func lease(
        _ key: String,
        holder: String,
        seconds: Double
    ) async throws(StoreUnavailable) -> Bool {
        let reply = try await run(
            Self.leasing,
            key: leaseName(key),
            [RedisWord(holder), Self.milliseconds(seconds)]
        )
        return reply == .integer(1)
    }

    private static let returning = """
        if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
        return 1
        """

    package func giveBack(_ key: String, holder: String) async throws(StoreUnavailable) {
        _ = try await run(Self.returning, key: leaseName(key), [RedisWord(holder)])
    }

    // MARK: Owners

    package func keys(of owner: String) async throws(StoreUnavailable) -> [String] {
        let replies = try await call([
            RedisCommand(["ZRANGE", name(owner), "0", "-1"], isRepeatable: true)
        ])
        return (replies.first?.elements ?? []).compactMap(\.text)
    }

    package func removeAll(of owner: String, createdBy time: Double) async throws(StoreUnavailable) -> Int {
        let latest = time.isFinite ? RedisWord(Int(time * 1000)) : "+inf"
        let listed = try await call([
            RedisCommand(["ZRANGEBYSCORE", name(owner), "-inf", latest], isRepeatable: true)
        ])
        let keys = listed.first?.elements?.compactMap(\.text) ?? []
        guard !keys.isEmpty else { return 0 }
        let ended = try await call(
            keys.map { RedisCommand(["DEL", name($0)], isRepeatable: true, outlivesFailover: true) }
        )
        _ = try await call([
            RedisCommand(["ZREM", name(owner)] + keys.map { RedisWord($0) }, isRepeatable: true)
        ])
        return ended.reduce(0) { $0 + Int($1.integer ?? 0) }
    }

    // MARK: Calls

    func run(
        _ script: String,
        key: RedisWord,
        _ arguments: [RedisWord],
        outlivesFailover: Bool = false
    ) async throws(StoreUnavailable) -> RedisReply {
        do throws(StoreError) {
            return try await redis.run(script, key: key, arguments, outlivesFailover: outlivesFailover)
        } catch {
            throw StoreUnavailable(error.reason)
        }
    }

    func call(_ commands: [RedisCommand]) async throws(StoreUnavailable) -> [RedisReply] {
        do throws(StoreError) { return try await redis.call(commands) } catch {
            throw StoreUnavailable(error.reason)
        }
    }
}

extension RedisVault: EndingLog {
    /// Most endings that are kept: a million, some hundred megabytes at the worst.
    private static let maximumEndings = 1_000_000

    private static let noting = """
        redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*', 'o', ARGV[1], 'b', ARGV[2], 'u', ARGV[3])
        local left = redis.call('PTTL', KEYS[1])
        if left < tonumber(ARGV[5]) then redis.call('PEXPIRE', KEYS[1], ARGV[5]) end
        return 1
        """

    package func note(_ ending: SessionEnding) async throws(StoreUnavailable) {
        _ = try await run(
            Self.noting,
            key: name("endings"),
            [
                RedisWord(ending.owner.text), RedisWord(String(ending.before)),
                RedisWord(String(ending.until)),
                RedisWord(Self.maximumEndings), Self.milliseconds(31_536_000),
            ],
            outlivesFailover: true
        )
    }

    package func endings(
        after place: String?
    ) async throws(StoreUnavailable) -> (endings: [SessionEnding], place: String?) {
        var (endings, place) = ([SessionEnding](), place)
        while true {
            let waits = listensSeconds > 0 && endings.isEmpty
            let words: [RedisWord] =
                ["XREAD", "COUNT", "1000"] + (waits ? ["BLOCK", Self.milliseconds(listensSeconds)] : [])
            let replies = try await call([
                RedisCommand(
                    words + ["STREAMS", name("endings"), RedisWord(place ?? "0")],
                    keyAt: words.count + 1,
                    isRepeatable: true
                )
            ])
            let entries = replies.first?.elements?.first?.elements?.last?.elements ?? []
            guard let last = entries.last?.elements?.first?.text else { return (endings, place) }
            endings += entries.compactMap(Self.ending)
            place = last
        }
    }

    private static func ending(_ entry: RedisReply) -> SessionEnding? {
        guard let words = entry.elements?.last?.elements?.compactMap(\.text), words.count == 6,
            let before = Double(words[3]), let until = Double(words[5])
        else { return nil }
        return SessionEnding(owner: OwnerKey(text: words[1]), before: before, until: until)
    }
}
