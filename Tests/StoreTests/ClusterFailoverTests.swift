// The book of a cluster whose masters come and go (D15, complaint 23).
import Testing

@testable import Store

struct ClusterFailoverTests {
    private typealias Map = ClusterMapTests
    private static let (a, b, c) = (ClusterMapTests.a, ClusterMapTests.b, ClusterMapTests.c)

    private func up() -> ClusterMap { Map().up() }

    @Test func `what waits for a master that is gone goes to the one that was promoted`() {
        var map = up()
        _ = map.submit(1, Map.get, at: 0.5)
        _ = map.submit(2, Map.set, at: 0.5)
        _ = map.submit(3, Map.get, at: 0.5)
        // Never sent; sent and not to be repeated; sent and to be repeated.
        #expect(map.answered(1, by: Self.b, .failure(.notConnected), at: 0.5) == [.look(2, Self.b)])
        #expect(map.answered(2, by: Self.b, .failure(.lost), at: 0.5) == [.fail(2, .lost)])
        #expect(map.answered(3, by: Self.b, .failure(.lost), at: 0.5) == [])
        #expect(map.linkDown(Self.b, .unreachable, at: 0.5) == [])
        let actions = map.looked(2, Map.seen("a", "c", epoch: 2), at: 0.5)
        #expect(actions == [.open(Self.c), .tellBack, .ask(1, Map.get, Self.c), .ask(3, Map.get, Self.c)])
    }

    @Test func `until somebody is promoted its commands fail after one look, and others go on`() {
        var map = up()
        _ = map.linkDown(Self.b, .unreachable, at: 0.5)
        _ = map.looked(2, Map.seen(), at: 0.5)
        _ = map.submit(1, Map.get, at: 0.7)
        #expect(map.answered(1, by: Self.b, .failure(.notConnected), at: 0.7) == [.look(3, Self.a)])
        #expect(map.looked(3, Map.seen(), at: 0.71) == [.fail(1, .notConnected)])
        #expect(map.submit(2, Map.other, at: 0.72) == [.ask(2, Map.other, Self.a)])
        #expect(map.isDown == false)
        // While one is missing looks are made more often.
        #expect(map.nextTick == 1.21)
    }

    @Test func `a look that began before a command came back says nothing about it`() {
        var map = up()
        _ = map.submit(1, Map.get, at: 1)
        #expect(map.tick(at: 1) == [.look(2, Self.b)])
        #expect(map.answered(1, by: Self.b, .failure(.notConnected), at: 1.01) == [])
        #expect(map.looked(2, Map.seen(), at: 1.02) == [])
        #expect(map.tick(at: 1.05) == [.look(3, Self.a)])
        #expect(
            map.looked(3, Map.seen("a", "c", epoch: 2), at: 1.1) == [.open(Self.c), .ask(1, Map.get, Self.c)]
        )
    }

    @Test func `when no master is there everything fails at once, until one tells of the cluster again`() {
        var map = up()
        _ = map.submit(1, Map.get, at: 0.5)
        #expect(map.answered(1, by: Self.b, .failure(.notConnected), at: 0.5) == [.look(2, Self.b)])
        #expect(map.linkDown(Self.b, .unreachable, at: 0.5) == [])
        #expect(
            map.linkDown(Self.a, .closed, at: 0.5) == [.tellDown(.closed), .fail(1, .notConnected)]
        )
        #expect(map.submit(2, Map.other, at: 0.6) == [.fail(2, .notConnected)])
        #expect(map.looked(2, .failure(.notConnected), at: 0.6).count == 1)
        for id in 3...5 { _ = map.looked(UInt64(id), .failure(.notConnected), at: 0.6) }
        #expect(map.linkUp(Self.a, at: 0.61) == [.look(6, Self.a)])
        #expect(map.looked(6, Map.seen(), at: 0.62) == [.tellUp])
        #expect(map.submit(3, Map.other, at: 0.62) == [.ask(3, Map.other, Self.a)])
    }

    // Default of Redis: while one master is missing, all of them refuse.
    @Test func `a cluster that refuses to serve is given a second, and after that is down`() {
        var map = up()
        _ = map.submit(1, Map.get, at: 0.5)
        let refusal = Result<RedisReply, StoreError>.failure(.refused("CLUSTERDOWN"))
        #expect(map.answered(1, by: Self.b, refusal, at: 0.5) == [.look(2, Self.b)])
        #expect(map.looked(2, Map.seen("a", "b", "fail"), at: 0.5) == [.look(3, Self.a)])
        #expect(map.looked(3, Map.seen("a", "b", "fail"), at: 0.5) == [.look(4, Map.seed)])
        _ = map.looked(4, .failure(.notConnected), at: 0.5)
        #expect(map.looked(5, .failure(.notConnected), at: 0.5) == [])
        #expect(map.tick(at: 0.6) == [.ask(1, Map.get, Self.b)])
        #expect(map.answered(1, by: Self.b, .success(.null), at: 0.6) == [.succeed(1, .null)])
        _ = map.submit(2, Map.get, at: 1.5)
        #expect(map.answered(2, by: Self.b, refusal, at: 1.5).contains(.fail(2, refusal.error)))
        #expect(map.looked(6, Map.seen("a", "b", "fail"), at: 1.5).count == 1)
        for id in 7...8 { _ = map.looked(UInt64(id), .failure(.notConnected), at: 1.5) }
        #expect(map.looked(9, .failure(.notConnected), at: 1.5) == [.tellDown(.clusterDown)])
        #expect(LinkTrouble.clusterDown.reason == "cluster-down")
    }

    @Test func `whoever is behind is not believed while another knows more`() {
        var map = up()
        _ = map.tick(at: 1)
        #expect(map.looked(2, Map.seen("a", "c", epoch: 5), at: 1) == [.open(Self.c)])
        #expect(map.tick(at: 2) == [.look(3, Self.a)])
        // It was cut off, and still takes the former master for one.
        #expect(map.looked(3, Map.seen("a", "b", epoch: 4), at: 2) == [.look(4, Self.c)])
        #expect(map.looked(4, Map.seen("a", "c", epoch: 5), at: 2) == [])
        #expect(map.submit(1, Map.get, at: 2) == [.ask(1, Map.get, Self.c)])
    }

    @Test func `where everybody knows less the cluster is another one`() {
        var map = up()
        _ = map.tick(at: 1)
        _ = map.looked(2, Map.seen(epoch: 9), at: 1)
        #expect(map.tick(at: 2) == [.look(3, Self.a)])
        for id in 3...5 { _ = map.looked(UInt64(id), Map.seen("a", "c", epoch: 2), at: 2) }
        #expect(map.looked(6, Map.seen("a", "c", epoch: 2), at: 2) == [.open(Self.c)])
        #expect(map.submit(1, Map.get, at: 2) == [.ask(1, Map.get, Self.c)])
    }

    // S4
    @Test func `what was ended is told to the next master of its slot before anybody asks it`() {
        var map = up()
        _ = map.submit(1, Map.remove, at: 0.5)
        #expect(map.answered(1, by: Self.b, .success(.integer(1)), at: 0.5) == [.succeed(1, .integer(1))])
        _ = map.submit(2, Map.get, at: 0.6)
        _ = map.answered(2, by: Self.b, .failure(.notConnected), at: 0.6)
        _ = map.linkDown(Self.b, .unreachable, at: 0.6)
        let own = UInt64.max
        #expect(
            map.looked(2, Map.seen("a", "c", epoch: 2), at: 0.6) == [
                .open(Self.c), .ask(own, Map.remove, Self.c), .tellBack, .ask(2, Map.get, Self.c),
            ]
        )
        #expect(map.answered(own, by: Self.c, .success(.integer(0)), at: 0.7) == [])
        // And to the next one after that, within a minute.
        #expect(map.tick(at: 1.6).count == 1)
        #expect(
            map.looked(3, Map.seen("a", "b", epoch: 3), at: 60.4).contains(.ask(own - 1, Map.remove, Self.b))
        )
        _ = map.answered(own - 1, by: Self.b, .success(.integer(0)), at: 60.5)
        _ = map.tick(at: 62)
        #expect(map.looked(4, Map.seen("a", "c", epoch: 4), at: 62) == [.open(Self.c), .tellBack])
    }

    @Test func `what could not be told is told when that can be`() {
        var map = up()
        _ = map.submit(1, Map.remove, at: 0.5)
        _ = map.answered(1, by: Self.b, .success(.integer(1)), at: 0.5)
        _ = map.tick(at: 1)
        let own = UInt64.max
        #expect(map.looked(2, Map.seen("a", "c", epoch: 2), at: 1).contains(.ask(own, Map.remove, Self.c)))
        #expect(map.answered(own, by: Self.c, .failure(.timedOut), at: 1) == [])
        #expect(map.tick(at: 1.05) == [.look(3, Self.a)])
        let again = map.looked(3, Map.seen("a", "c", epoch: 2), at: 1.1)
        #expect(again == [.ask(own - 1, Map.remove, Self.c)])
    }

    @Test func `a server without slots is left when nobody has asked it for a while`() {
        var map = up()
        _ = map.submit(1, Map.get, at: 1)
        _ = map.answered(1, by: Self.b, Map.moved("c", once: true), at: 1)
        _ = map.tick(at: 2)
        #expect(map.looked(2, Map.seen(), at: 2) == [], "a slot may be on its way there")
        _ = map.tick(at: 12)
        #expect(map.looked(3, Map.seen(), at: 12).sorted() == [.leave(Self.c), .leave(Map.seed)])
    }
}

extension Result where Failure == StoreError {
    fileprivate var error: StoreError { if case .failure(let error) = self { error } else { .busy } }
}

extension [ClusterMap.Action] {
    fileprivate func sorted() -> [ClusterMap.Action] { self.sorted { "\($0)" < "\($1)" } }
}
