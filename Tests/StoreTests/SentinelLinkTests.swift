// The book of a link whose server is named by sentinels (complaint 23).
import Testing

@testable import Store

struct SentinelLinkTests {
    private static let get = RedisCommand(["GET", "k"], isRepeatable: true)
    private static let set = RedisCommand(["SET", "k", "v"])
    private static let remove = RedisCommand(["DEL", "k"], isRepeatable: true, outlivesFailover: true)
    private static let question = RedisCommand(["SENTINEL", "get-master-addr-by-name", "m"])
    private static let master: RedisReply = .array([.bulk(Array("master".utf8)), .integer(7), .array([])])
    private static let replica: RedisReply = .array([.bulk(Array("slave".utf8)), .bulk([0x68])])

    private static func named(_ host: String, _ port: String = "1") -> RedisReply {
        .array([.bulk(Array(host.utf8)), .bulk(Array(port.utf8))])
    }

    private static func place(_ host: String) -> LinkState.Destination {
        .master(RedisAddress.Node(host: host, port: 1))
    }

    private static func sentinels(_ count: Int = 3) -> RedisAddress.Sentinels {
        RedisAddress.Sentinels(
            master: "m",
            nodes: (0..<count).map { RedisAddress.Node(host: "s\($0)", port: 26_379) }
        )
    }

    private func link(_ count: Int = 3, _ change: (inout LinkLimits) -> Void = { _ in }) -> LinkState {
        var limits = LinkLimits()
        change(&limits)
        return LinkState(limits: limits, greeting: [], sentinels: Self.sentinels(count))
    }

    /// Sentinel `attempt` names `host`, which greets as a master.
    private func connect(_ link: inout LinkState, _ attempt: UInt64, _ host: String, at now: Double) {
        #expect(link.connected(attempt, at: now) == [.send(attempt, Self.question)])
        #expect(
            link.received(Self.named(host), attempt, at: now)
                == [.close(attempt), .connect(attempt + 1, to: Self.place(host))]
        )
        #expect(
            link.connected(attempt + 1, at: now) == [.send(attempt + 1, .ping), .send(attempt + 1, .role)]
        )
        #expect(link.received(.status("PONG"), attempt + 1, at: now) == [])
    }

    /// A link that is up at `a` since 0, by the first sentinel's word.
    private func up(_ count: Int = 3, _ change: (inout LinkLimits) -> Void = { _ in }) -> LinkState {
        var link = link(count, change)
        #expect(link.start(at: 0) == [.connect(1, to: .sentinel(0))])
        connect(&link, 1, "a", at: 0)
        #expect(link.received(Self.master, 2, at: 0) == [.tellUp])
        return link
    }

    // MARK: Finding the master

    @Test func `a sentinel names the server, which must say of itself that it is a master`() {
        var link = link()
        #expect(link.submit(1, Self.get, at: 0) == [.connect(1, to: .sentinel(0))])
        connect(&link, 1, "a", at: 0.1)
        #expect(link.received(Self.master, 2, at: 0.2) == [.tellUp, .send(2, Self.get)])
        #expect(link.received(.bulk([1]), 2, at: 0.3) == [.succeed(1, .bulk([1]))])
    }

    @Test(arguments: [Self.replica, .array([]), .null, .status("master"), .array([.status("sentinel")])])
    func `whoever does not say so is left, and the next sentinel asked after a pause`(role: RedisReply) {
        var link = link()
        _ = link.submit(1, Self.get, at: 0)
        connect(&link, 1, "a", at: 0)
        #expect(
            link.received(role, 2, at: 0) == [.close(2), .fail(1, .notConnected), .tellDown(.notMaster)]
        )
        #expect(link.submit(2, Self.get, at: 0.01) == [.fail(2, .notConnected)])
        #expect(link.tick(at: 0.049) == [])
        #expect(link.tick(at: 0.05) == [.connect(3, to: .sentinel(1))])
        #expect(LinkTrouble.notMaster.reason == "not-a-master")
    }

    @Test func `a command that the role needs and the user may not give is told`() {
        var link = link()
        _ = link.start(at: 0)
        connect(&link, 1, "a", at: 0)
        #expect(
            link.received(.error("NOPERM no permissions to run 'role'"), 2, at: 0)
                == [.close(2), .tellDown(.refused("NOPERM"))]
        )
    }

    @Test func `who we are at the sentinels is told to them, and a refusal is told by its first word`() {
        var sentinels = Self.sentinels(1)
        (sentinels.user, sentinels.password) = ("u", "p")
        var link = LinkState(
            limits: LinkLimits(),
            greeting: [RedisCommand(["AUTH", "q"])],
            sentinels: sentinels
        )
        _ = link.start(at: 0)
        #expect(
            link.connected(1, at: 0) == [
                .send(1, RedisCommand(["AUTH", "u", "p"])), .send(1, Self.question),
            ]
        )
        #expect(
            link.received(.error("WRONGPASS x"), 1, at: 0)
                == [.close(1), .tellDown(.sentinel(.refused("WRONGPASS")))]
        )
        #expect(LinkTrouble.sentinel(.refused("WRONGPASS")).reason == "sentinel-refused-wrongpass")
    }

    // MARK: Sentinels that fail

    @Test func `sentinels are asked one after the other, each for half a second`() {
        var link = link()
        _ = link.submit(1, Self.get, at: 0)
        #expect(link.nextTick == 0.5)
        #expect(link.tick(at: 0.49) == [])
        #expect(link.tick(at: 0.5) == [.close(1), .connect(2, to: .sentinel(1))])
        #expect(link.ended(2, .unreachable, at: 0.6) == [.close(2), .connect(3, to: .sentinel(2))])
        // Too late.
        #expect(link.connected(1, at: 0.7) == [.close(1)])
        connect(&link, 3, "a", at: 0.7)
        #expect(link.received(Self.master, 4, at: 0.7) == [.tellUp, .send(4, Self.get)])
    }

    @Test(
        arguments: [
            ([.ended(.unreachable), .ended(.closed)], LinkTrouble.closed),
            ([.ended(.unreachable), .reply(.null)], .unknownMaster),
            ([.reply(.null), .ended(.unreachable)], .unknownMaster),
            ([.reply(.error("NOAUTH x")), .reply(.null)], .refused("NOAUTH")),
            ([.reply(.null)], .unknownMaster), ([.reply(.status("OK"))], .malformed),
            ([.reply(Self.named("a", "0"))], .malformed), ([.reply(Self.named("a", "65536"))], .malformed),
            ([.reply(Self.named("", "1"))], .malformed), ([.reply(Self.named("a b", "1"))], .malformed),
            ([.reply(.array([.bulk([0x61])]))], .malformed),
        ] as [([Event], LinkTrouble)]
    )
    func `when no sentinel names the master nobody waits, and the most telling word is told`(
        events: [Event],
        trouble: LinkTrouble
    ) {
        var link = link(events.count)
        _ = link.submit(1, Self.get, at: 0)
        var actions: [LinkState.Action] = []
        for (place, event) in events.enumerated() {
            let attempt = UInt64(place + 1)
            switch event {
            case .ended(let trouble): actions = link.ended(attempt, trouble, at: 0.1)
            case .reply(let reply):
                _ = link.connected(attempt, at: 0.1)
                actions = link.received(reply, attempt, at: 0.1)
            }
        }
        #expect(
            actions == [
                .close(UInt64(events.count)), .fail(1, .notConnected), .tellDown(.sentinel(trouble)),
            ]
        )
        #expect(link.isDown)
        #expect(link.nextTick == 0.1 + 0.05)
    }

    enum Event: Sendable {
        case ended(LinkTrouble)
        case reply(RedisReply)
    }

    @Test func `a command that waits for sentinels too long fails in its time`() {
        var link = link { $0.commandSeconds = 0.7 }
        _ = link.submit(1, Self.get, at: 0)
        _ = link.tick(at: 0.5)
        #expect(link.nextTick == 0.7)
        #expect(link.tick(at: 0.7) == [.fail(1, .notConnected)])
        #expect(link.nextTick == 1.0)
    }

    // MARK: Failover

    @Test func `when the master ends the sentinels are asked again, and what may be repeated is`() {
        var link = up()
        _ = link.submit(1, Self.get, at: 0.9)
        _ = link.submit(2, Self.set, at: 0.9)
        #expect(link.ended(2, .closed, at: 0.9) == [.fail(2, .lost), .connect(3, to: .sentinel(0))])
        connect(&link, 3, "b", at: 0.9)
        #expect(link.received(Self.master, 4, at: 0.9) == [.tellUp, .send(4, Self.get)])
    }

    @Test func `a master that is dead and named still is tried with pauses, until another is named`() {
        var link = up()
        #expect(link.ended(2, .closed, at: 0.9) == [.connect(3, to: .sentinel(0))])
        _ = link.connected(3, at: 0.9)
        #expect(
            link.received(Self.named("a"), 3, at: 0.9) == [.close(3), .connect(4, to: Self.place("a"))]
        )
        #expect(link.ended(4, .unreachable, at: 0.9) == [.tellDown(.unreachable)])
        // The sentinel that named it may know less than the next.
        #expect(link.tick(at: 0.94) == [])
        #expect(link.tick(at: 0.96) == [.connect(5, to: .sentinel(1))])
        connect(&link, 5, "b", at: 1)
        #expect(link.received(Self.master, 6, at: 1) == [.tellUp])
        #expect(!link.isDown)
    }

    @Test func `a master that turned replica is left at its word, and nothing goes to it any more`() {
        var link = up()
        _ = link.submit(1, Self.set, at: 0.9)
        #expect(
            link.received(.error("READONLY You can't write"), 2, at: 0.9)
                == [.fail(1, .refused("READONLY")), .close(2), .connect(3, to: .sentinel(0))]
        )
        #expect(link.submit(2, Self.set, at: 0.9) == [])
        connect(&link, 3, "b", at: 0.9)
        #expect(link.received(Self.master, 4, at: 0.9) == [.tellUp, .send(4, Self.set)])
    }

    // MARK: Watching

    @Test func `the sentinels are asked each second, and a master that they no longer name is left`() {
        var link = up()
        #expect(link.nextTick == 1)
        #expect(link.tick(at: 0.99) == [])
        #expect(link.tick(at: 1) == [.connect(3, to: .sentinel(0))])
        #expect(link.tick(at: 1.1) == [])
        #expect(link.connected(3, at: 1.1) == [.send(3, Self.question)])
        #expect(link.received(Self.named("a"), 3, at: 1.1) == [.close(3)])
        #expect(link.nextTick == 2.1)
        #expect(link.tick(at: 2.1) == [.connect(4, to: .sentinel(0))])
        _ = link.connected(4, at: 2.1)
        _ = link.submit(1, Self.get, at: 2.1)
        #expect(
            link.received(Self.named("b"), 4, at: 2.2)
                == [.close(4), .close(2), .connect(5, to: .sentinel(0))]
        )
        connect(&link, 5, "b", at: 2.2)
        #expect(link.received(Self.master, 6, at: 2.2) == [.tellUp, .send(6, Self.get)])
    }

    @Test func `a master that answers is not left because sentinels do not`() {
        var link = up(2)
        #expect(link.tick(at: 1) == [.connect(3, to: .sentinel(0))])
        #expect(link.ended(3, .unreachable, at: 1) == [.close(3), .connect(4, to: .sentinel(1))])
        #expect(link.nextTick == 1.5)
        #expect(link.tick(at: 1.5) == [.close(4)])
        #expect(!link.isDown)
        #expect(link.nextTick == 2.5)
        #expect(link.submit(1, Self.get, at: 1.6) == [.send(2, Self.get)])
    }

    @Test func `a connection that ends while a sentinel is asked lets it be asked anew`() {
        var link = up()
        _ = link.tick(at: 1)
        #expect(link.ended(2, .closed, at: 1.1) == [.close(3), .connect(4, to: .sentinel(0))])
        #expect(link.received(Self.named("b"), 3, at: 1.1) == [])
    }

    @Test func `a link without sentinels asks none, and no role`() {
        var link = LinkState(limits: LinkLimits(), greeting: [])
        #expect(link.start(at: 0) == [.connect(1, to: .address)])
        #expect(link.connected(1, at: 0) == [.send(1, .ping)])
        #expect(link.received(.status("PONG"), 1, at: 0) == [.tellUp])
        #expect(link.nextTick == 5)
    }

    @Test func `a link that was stopped asks nobody any more`() {
        var link = up()
        _ = link.tick(at: 1)
        #expect(link.stop() == [.close(3), .close(2)])
        #expect(link.nextTick == nil)
    }

    // MARK: What a failover must not undo (security row S4)

    @Test func `the next master hears again what was ended, before anybody asks it`() {
        var link = up()
        _ = link.submit(1, Self.remove, at: 0.8)
        #expect(link.received(.integer(1), 2, at: 0.8) == [.succeed(1, .integer(1))])
        _ = link.submit(2, Self.set, at: 0.8)
        _ = link.received(.status("OK"), 2, at: 0.8)
        _ = link.submit(3, Self.get, at: 0.9)
        _ = link.ended(2, .closed, at: 0.9)
        connect(&link, 3, "b", at: 0.9)
        #expect(
            link.received(Self.master, 4, at: 0.9) == [.tellUp, .send(4, Self.remove), .send(4, Self.get)]
        )
        #expect(link.received(.integer(0), 4, at: 0.9) == [])
        #expect(link.received(.bulk([1]), 4, at: 0.9) == [.succeed(3, .bulk([1]))])
    }

    @Test func `the same master hears nothing twice`() {
        var link = up()
        _ = link.submit(1, Self.remove, at: 0.8)
        _ = link.received(.integer(1), 2, at: 0.8)
        _ = link.ended(2, .closed, at: 0.9)
        connect(&link, 3, "a", at: 0.9)
        #expect(link.received(Self.master, 4, at: 0.9) == [.tellUp])
    }

    @Test(arguments: [(59.9, true), (60.0, true), (60.1, false)])
    func `what was ended longer ago than the bound is not said again`(later: Double, isSaid: Bool) {
        var link = up()
        _ = link.submit(1, Self.remove, at: 0.5)
        _ = link.received(.integer(1), 2, at: 0.5)
        _ = link.ended(2, .closed, at: 0.5 + later)
        connect(&link, 3, "b", at: 0.5 + later)
        #expect(
            link.received(Self.master, 4, at: 0.5 + later) == [.tellUp]
                + (isSaid ? [.send(4, Self.remove)] : [])
        )
    }

    @Test func `no more than the bound is kept, and the oldest goes first`() {
        var link = up { $0.recalled = 2 }
        let commands = (0..<3).map { RedisCommand(["DEL", RedisWord($0)], outlivesFailover: true) }
        for (id, command) in commands.enumerated() {
            _ = link.submit(UInt64(id), command, at: 0.5)
            _ = link.received(.integer(1), 2, at: 0.5)
        }
        _ = link.ended(2, .closed, at: 0.9)
        connect(&link, 3, "b", at: 0.9)
        #expect(
            link.received(Self.master, 4, at: 0.9) == [.tellUp, .send(4, commands[1]), .send(4, commands[2])]
        )
    }
}
