// The book of a link: who waits for which answer, and what becomes of them when their connection ends.
import Testing

@testable import Store

struct LinkStateTests {
    private static let get = RedisCommand(["GET", "k"], isRepeatable: true)
    private static let set = RedisCommand(["SET", "k", "v"])
    private static let greeting = [RedisCommand(["AUTH", "p"])]

    private func link(_ change: (inout LinkLimits) -> Void = { _ in }) -> LinkState {
        var limits = LinkLimits()
        change(&limits)
        return LinkState(limits: limits, greeting: Self.greeting)
    }

    /// A link that is up since `now`.
    private func up(at now: Double = 0, _ change: (inout LinkLimits) -> Void = { _ in }) -> LinkState {
        var link = link(change)
        _ = link.start(at: now)
        _ = link.connected(1, at: now)
        _ = link.received(.status("OK"), 1, at: now)
        #expect(link.received(.status("PONG"), 1, at: now) == [.tellUp])
        return link
    }

    @Test func `the first command connects, greets, and is sent when the greeting is answered`() {
        var link = link()
        #expect(link.submit(7, Self.get, at: 0) == [.connect(1)])
        #expect(link.submit(8, Self.set, at: 0) == [])
        #expect(link.connected(1, at: 0.1) == [.send(1, Self.greeting[0]), .send(1, .ping)])
        #expect(link.received(.status("OK"), 1, at: 0.2) == [])
        #expect(
            link.received(.status("PONG"), 1, at: 0.2) == [.tellUp, .send(1, Self.get), .send(1, Self.set)]
        )
        #expect(link.received(.bulk([1]), 1, at: 0.3) == [.succeed(7, .bulk([1]))])
        #expect(link.received(.status("OK"), 1, at: 0.3) == [.succeed(8, .status("OK"))])
    }

    @Test func `answers go to commands in the order in which they were sent`() {
        var link = up()
        for id in 1...3 { #expect(link.submit(UInt64(id), Self.get, at: 0) == [.send(1, Self.get)]) }
        for id in 1...3 {
            #expect(
                link.received(.integer(Int64(id)), 1, at: 0.1) == [.succeed(UInt64(id), .integer(Int64(id)))]
            )
        }
    }

    // MARK: Stale connections (complaint 23)

    @Test
    func `when a connection ends what may be repeated is asked again, once, in its order; the rest is lost`()
    {
        var link = up()
        _ = link.submit(1, Self.get, at: 9)
        _ = link.submit(2, Self.set, at: 9)
        _ = link.submit(3, Self.get, at: 9)
        #expect(link.ended(1, .closed, at: 9) == [.fail(2, .lost), .connect(2)])
        _ = link.connected(2, at: 9)
        _ = link.received(.status("OK"), 2, at: 9)
        #expect(
            link.received(.status("PONG"), 2, at: 9) == [.tellUp, .send(2, Self.get), .send(2, Self.get)]
        )
        #expect(link.received(.integer(1), 2, at: 9) == [.succeed(1, .integer(1))])
        // The next connection is gone at once too: that is no stale one.
        #expect(link.ended(2, .closed, at: 9.1) == [.fail(3, .lost), .tellDown(.closed)])
    }

    @Test func `a connection that ends while nobody waits is made anew, and nobody hears of it`() {
        var link = up()
        #expect(link.ended(1, .closed, at: 100) == [.connect(2)])
        #expect(!link.isDown)
        #expect(link.submit(1, Self.set, at: 100) == [])
    }

    @Test func `what ended is told of an attempt that is over does nothing`() {
        var link = up()
        _ = link.ended(1, .closed, at: 100)
        #expect(link.ended(1, .closed, at: 100) == [])
        #expect(link.received(.integer(1), 1, at: 100) == [])
        #expect(link.connected(1, at: 100) == [.close(1)])
    }

    // MARK: Down

    @Test func `when no connection comes about commands fail at once until one does`() {
        var link = link()
        _ = link.submit(1, Self.get, at: 0)
        #expect(link.ended(1, .unreachable, at: 0) == [.fail(1, .notConnected), .tellDown(.unreachable)])
        #expect(link.isDown)
        #expect(link.submit(2, Self.get, at: 0.01) == [.fail(2, .notConnected)])
        #expect(link.tick(at: 0.049) == [])
        #expect(link.tick(at: 0.05) == [.connect(2)])
        #expect(link.submit(3, Self.get, at: 0.06) == [.fail(3, .notConnected)])
        // It is told once.
        #expect(link.ended(2, .unreachable, at: 0.06) == [])
        #expect(link.tick(at: 0.15) == [])
        #expect(link.tick(at: 0.16) == [.connect(3)])
    }

    @Test func `pauses between attempts double up to the last`() {
        var link = link()
        _ = link.start(at: 0)
        var (now, pauses) = (0.0, [Double]())
        for attempt in 1...7 {
            _ = link.ended(UInt64(attempt), .unreachable, at: now)
            let due = link.nextTick ?? 0
            pauses.append(((due - now) * 1000).rounded() / 1000)
            now = due
            #expect(link.tick(at: now) == [.connect(UInt64(attempt + 1))])
        }
        #expect(pauses == [0.05, 0.1, 0.2, 0.4, 0.5, 0.5, 0.5])
    }

    @Test func `a greeting that is refused is told by its first word, and never with the password`() {
        var link = link()
        _ = link.start(at: 0)
        _ = link.connected(1, at: 0)
        #expect(
            link.received(.error("WRONGPASS invalid username-password pair"), 1, at: 0)
                == [.close(1), .tellDown(.refused("WRONGPASS"))]
        )
        #expect(LinkTrouble.refused("WRONGPASS").reason == "refused-wrongpass")
    }

    @Test(arguments: ["READONLY", "LOADING", "MASTERDOWN", "NOAUTH"])
    func `a server that is not the one to be asked is left, and the command is told`(code: String) {
        var link = up()
        _ = link.submit(1, Self.set, at: 9)
        #expect(
            link.received(.error("\(code) x"), 1, at: 9) == [
                .fail(1, .refused(code)), .close(1), .connect(2),
            ]
        )
    }

    @Test func `another error is the command's own`() {
        var link = up()
        _ = link.submit(1, Self.set, at: 9)
        #expect(link.received(.error("OOM command not allowed"), 1, at: 9) == [.fail(1, .refused("OOM"))])
        #expect(link.nextTick == 14)
    }

    @Test func `an answer that nobody waits for ends the connection`() {
        var link = up()
        #expect(link.received(.integer(1), 1, at: 9) == [.close(1), .connect(2)])
    }

    // MARK: Time

    @Test func `a connection must stand and greet in time`() {
        var link = link()
        _ = link.submit(1, Self.get, at: 0)
        #expect(link.tick(at: 1.99) == [])
        #expect(link.tick(at: 2) == [.close(1), .fail(1, .notConnected), .tellDown(.silent)])
        var greeting = self.link()
        _ = greeting.start(at: 0)
        _ = greeting.connected(1, at: 1)
        #expect(greeting.tick(at: 2) == [.close(1), .tellDown(.silent)])
    }

    @Test func `an overdue answer ends the connection: the late are told so, the others asked again`() {
        var link = up()
        _ = link.submit(1, Self.get, at: 1)
        _ = link.submit(2, Self.get, at: 2)
        _ = link.submit(3, Self.set, at: 2)
        #expect(link.nextTick == 3)
        #expect(link.tick(at: 2.99) == [])
        #expect(link.tick(at: 3) == [.close(1), .fail(1, .timedOut), .fail(3, .lost), .connect(2)])
        // What was asked again has its own time still.
        #expect(link.nextTick == 4)
        #expect(link.tick(at: 4) == [.fail(2, .lost)])
    }

    @Test func `after silence the server is asked whether it is there, and left if it is not`() {
        var link = up()
        #expect(link.tick(at: 4.99) == [])
        #expect(link.tick(at: 5) == [.send(1, .ping)])
        #expect(link.received(.status("PONG"), 1, at: 5.1) == [])
        #expect(link.nextTick == 10.1)
        #expect(link.tick(at: 10.1) == [.send(1, .ping)])
        #expect(link.tick(at: 12.1) == [.close(1), .connect(2)])
    }

    // MARK: Bounds and end

    @Test func `no more may wait than the bound`() {
        var link = up { $0.waiting = 2 }
        _ = link.submit(1, Self.get, at: 1)
        _ = link.submit(2, Self.get, at: 1)
        #expect(link.submit(3, Self.get, at: 1) == [.fail(3, .busy)])
        _ = link.received(.null, 1, at: 1)
        #expect(link.submit(4, Self.get, at: 1) == [.send(1, Self.get)])
    }

    @Test func `a link that was stopped fails everything and does nothing more`() {
        var link = up()
        _ = link.submit(1, Self.get, at: 1)
        #expect(link.stop() == [.close(1), .fail(1, .lost)])
        #expect(link.submit(2, Self.get, at: 1) == [.fail(2, .notConnected)])
        #expect(link.tick(at: 100) == [])
        #expect(link.nextTick == nil)
    }
}
