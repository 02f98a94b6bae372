// The book of a cluster: who is asked for which key, and what becomes of a command when that one cannot say.
import Testing

@testable import Store

struct ClusterMapTests {
    typealias Node = RedisAddress.Node
    typealias Action = ClusterMap.Action

    // Slots 12182 and 11058.
    static let get = RedisCommand(["GET", "foo"], isRepeatable: true)
    static let set = RedisCommand(["SET", "foo", "v"])
    static let remove = RedisCommand(["DEL", "foo"], isRepeatable: true, outlivesFailover: true)
    static let other = RedisCommand(["GET", "bar"], isRepeatable: true)
    static let seed = node("seed")
    static let (a, b, c) = (node("a"), node("b"), node("c"))

    static func node(_ host: String) -> Node { Node(host: host, port: 1) }

    /// `first` has the lower half of the slots, with `bar` (5061), and `second` the upper, with `foo` (12182).
    static func seen(
        _ first: String = "a",
        _ second: String = "b",
        _ state: String = "ok",
        epoch: Int = 1
    ) -> Result<(info: RedisReply, slots: RedisReply), StoreError> {
        let ranges = [(0, 8191, first), (8192, 16_383, second)].map {
            ClusterSlotsTests.range(Int64($0.0), Int64($0.1), ClusterSlotsTests.text($0.2))
        }
        return .success((info: ClusterSlotsTests.info(state, epoch: epoch), slots: .array(ranges)))
    }

    static func moved(_ host: String, once: Bool = false) -> Result<RedisReply, StoreError> {
        .failure(.redirected(Redirection(slot: 12_182, host: host, port: 1, isForOnce: once)))
    }

    func map(_ change: (inout RedisAddress.Cluster) -> Void = { _ in }) -> ClusterMap {
        var cluster = RedisAddress.Cluster(nodes: [Self.seed, Self.node("seed2")])
        change(&cluster)
        return ClusterMap(cluster, limits: LinkLimits())
    }

    /// A map that is up since 0, by the seed's word; its next look is due at 1.
    func up(_ change: (inout RedisAddress.Cluster) -> Void = { _ in }) -> ClusterMap {
        var map = map(change)
        #expect(map.start(at: 0) == [.look(1, Self.seed)])
        #expect(map.looked(1, Self.seen(), at: 0) == [.open(Self.a), .open(Self.b), .tellUp])
        return map
    }

    // MARK: Finding the master of a key

    @Test func `the first command makes a look, and goes to the master of its key`() {
        var map = map()
        #expect(map.submit(1, Self.get, at: 0) == [.look(1, Self.seed)])
        #expect(map.submit(2, Self.other, at: 0.1) == [])
        #expect(
            map.looked(1, Self.seen(), at: 0.2) == [
                .open(Self.a), .open(Self.b), .tellUp, .ask(1, Self.get, Self.b),
                .ask(2, Self.other, Self.a),
            ]
        )
        #expect(map.answered(1, by: Self.b, .success(.null), at: 0.3) == [.succeed(1, .null)])
    }

    @Test func `a seed that cannot tell is no reason to give up, and when none can, whoever waits is told`() {
        var map = map()
        #expect(map.submit(1, Self.get, at: 0) == [.look(1, Self.seed)])
        #expect(map.looked(1, .failure(.notConnected), at: 0) == [.look(2, Self.node("seed2"))])
        // It says nothing at all.
        #expect(map.nextTick == 0.5 && map.tick(at: 0.4) == [])
        #expect(map.tick(at: 0.5) == [.fail(1, .notConnected), .tellDown(.unreachable)])
        #expect(map.submit(2, Self.get, at: 0.5) == [.fail(2, .notConnected)])
        #expect(map.looked(2, Self.seen(), at: 0.51) == [])
        #expect(map.nextTick == 0.55 && map.tick(at: 0.55) == [.look(3, Self.seed)])
        #expect(map.looked(3, Self.seen(), at: 0.6).contains(.tellUp))
        #expect(map.submit(3, Self.get, at: 0.6) == [.ask(3, Self.get, Self.b)])
    }

    @Test(arguments: [
        ("WRONGPASS", LinkTrouble.refused("WRONGPASS")), ("ERR", .notCluster), ("NOPERM", .refused("NOPERM")),
    ])
    func `what a server refuses is said`(code: String, trouble: LinkTrouble) {
        var map = map { $0.nodes = [Self.seed] }
        _ = map.start(at: 0)
        #expect(map.looked(1, .failure(.refused(code)), at: 0) == [.tellDown(trouble)])
        #expect(LinkTrouble.notCluster.reason == "not-a-cluster")
    }

    @Test func `why a link does not come about is why the cluster is down`() {
        var map = map { $0.nodes = [Self.seed] }
        _ = map.start(at: 0)
        #expect(map.linkDown(Self.seed, .refused("WRONGPASS"), at: 0) == [])
        #expect(map.looked(1, .failure(.notConnected), at: 0) == [.tellDown(.refused("WRONGPASS"))])
    }

    @Test func `a cluster that has no slots yet is down, and said to be so`() {
        var map = map { $0.nodes = [Self.seed] }
        _ = map.start(at: 0)
        let empty = (info: ClusterSlotsTests.info("fail"), slots: RedisReply.array([]))
        #expect(map.looked(1, .success(empty), at: 0) == [.tellDown(.clusterDown)])
        #expect(map.submit(1, Self.get, at: 0) == [.fail(1, .notConnected)])
        #expect(map.tick(at: 0.5) == [.look(2, Self.seed)])
        #expect(map.looked(2, Self.seen(), at: 0.5) == [.open(Self.a), .open(Self.b), .tellUp])
    }

    // MARK: Redirections

    @Test func `MOVED is followed at once, for good, and many of them are one look`() {
        var map = up()
        for id in 1...3 {
            #expect(map.submit(UInt64(id), Self.get, at: 0.5) == [.ask(UInt64(id), Self.get, Self.b)])
        }
        #expect(
            map.answered(1, by: Self.b, Self.moved("c"), at: 0.5) == [
                .ask(1, Self.get, Self.c), .look(2, Self.b),
            ]
        )
        #expect(map.answered(2, by: Self.b, Self.moved("c"), at: 0.5) == [.ask(2, Self.get, Self.c)])
        #expect(map.answered(3, by: Self.b, Self.moved("c"), at: 0.5) == [.ask(3, Self.get, Self.c)])
        #expect(map.submit(4, Self.get, at: 0.5) == [.ask(4, Self.get, Self.c)])
        #expect(map.looked(2, Self.seen("a", "c", epoch: 2), at: 0.5) == [])
        #expect(map.nextTick == 1.5)
    }

    @Test func `ASK is followed for once, behind ASKING`() {
        var map = up()
        _ = map.submit(1, Self.get, at: 0.5)
        #expect(
            map.answered(1, by: Self.b, Self.moved("c", once: true), at: 0.5)
                == [.ask(1, Self.get, Self.c, isForOnce: true)]
        )
        #expect(map.answered(1, by: Self.c, .success(.null), at: 0.5) == [.succeed(1, .null)])
        #expect(map.submit(2, Self.get, at: 0.5) == [.ask(2, Self.get, Self.b)])
    }

    @Test func `a command is sent on so often and no oftener`() {
        var map = up { $0.maximumRedirections = 2 }
        _ = map.submit(1, Self.get, at: 0.5)
        #expect(map.answered(1, by: Self.b, Self.moved("c"), at: 0.5).first == .ask(1, Self.get, Self.c))
        #expect(map.answered(1, by: Self.c, Self.moved("b"), at: 0.5).first == .ask(1, Self.get, Self.b))
        #expect(
            map.answered(1, by: Self.b, Self.moved("c"), at: 0.5)
                == [.fail(1, .redirected(Redirection(slot: 12_182, host: "c", port: 1)))]
        )
        #expect(StoreError.redirected(Redirection(slot: 1, host: nil, port: 1)).reason == "redirected")
    }

    @Test func `TRYAGAIN is tried again until the time is up`() {
        var map = up()
        _ = map.submit(1, Self.get, at: 0.5)
        #expect(map.answered(1, by: Self.b, .failure(.refused("TRYAGAIN")), at: 0.5) == [])
        #expect(map.tick(at: 0.55) == [])
        #expect(map.tick(at: 0.6) == [.ask(1, Self.get, Self.b)])
        #expect(map.answered(1, by: Self.b, .failure(.refused("TRYAGAIN")), at: 2.45) == [])
        #expect(map.tick(at: 2.5).contains(.fail(1, .timedOut)))
        #expect(map.answered(1, by: Self.b, .success(.null), at: 2.6) == [])
    }

    @Test func `a server's own refusals are handed on`() {
        var map = up()
        _ = map.submit(1, Self.set, at: 0.5)
        #expect(
            map.answered(1, by: Self.b, .failure(.refused("OOM")), at: 0.5) == [.fail(1, .refused("OOM"))]
        )
    }

    // MARK: Time

    @Test func `a command has its answer by its time, whoever was asked meanwhile`() {
        var map = up()
        _ = map.submit(1, Self.get, at: 0.5)
        _ = map.answered(1, by: Self.b, Self.moved("c"), at: 2.4)
        #expect(map.tick(at: 2.49).contains(.fail(1, .timedOut)) == false)
        #expect(map.tick(at: 2.5).contains(.fail(1, .timedOut)))
    }

    @Test func `too many that wait are refused`() {
        var limits = LinkLimits()
        limits.waiting = 1
        var map = ClusterMap(RedisAddress.Cluster(nodes: [Self.seed]), limits: limits)
        _ = map.submit(1, Self.get, at: 0)
        #expect(map.submit(2, Self.get, at: 0) == [.fail(2, .busy)])
    }

    @Test func `looks are made each second, of another master each time`() {
        var map = up()
        #expect(map.nextTick == 1)
        #expect(map.tick(at: 1) == [.look(2, Self.b)])
        #expect(map.looked(2, Self.seen(), at: 1) == [])
        #expect(map.tick(at: 2) == [.look(3, Self.a)])
    }

    @Test func `the end of it fails what waits`() {
        var map = up()
        _ = map.submit(1, Self.get, at: 0.5)
        let actions = map.stop()
        #expect(actions.contains(.fail(1, .lost)) && actions.contains(.leave(Self.a)))
        #expect(map.submit(2, Self.get, at: 1) == [.fail(2, .notConnected)] && map.nextTick == .infinity)
    }
}
