// A loop's names: who waits, who asks, and what becomes of it.

import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import Proxy

struct NameTableTests {
    /// Answers when the test says so.
    private final class Resolver: Sendable {
        private let questions = Mutex<[(name: String, answer: NameSource<IPAddress>.Answer)]>([])

        var source: NameSource<IPAddress> {
            var rules = NameRules()
            rules.staleSeconds = 60
            return NameSource(rules) { name, answer in self.questions.withLock { $0.append((name, answer)) } }
        }

        var asked: [String] { self.questions.withLock { $0.map(\.name) } }

        func answer(_ addresses: [IPAddress]) {
            let answer: NameAnswer<IPAddress> =
                addresses.isEmpty ? .failed(last: [], asOf: .distantPast) : .found(addresses)
            let questions = self.questions.withLock { questions in
                defer { questions = [] }
                return questions
            }
            for question in questions { question.answer(answer) }
        }
    }

    private static let address = IPAddress(v4: 7)
    private let resolver = Resolver()
    private let loop = EmbeddedEventLoop()
    private let start = NIODeadline.now()

    @Test func `everybody who waits for a name hears the one answer`() throws {
        let table = NameTable(self.resolver.source, on: self.loop)
        let first = table.places(of: "a", at: self.start)
        let second = table.places(of: "a", at: self.start)
        #expect(self.resolver.asked == ["a"])
        self.resolver.answer([Self.address])
        self.loop.run()
        #expect(try first.wait() == [Self.address])
        #expect(try second.wait() == [Self.address])
        #expect(try table.places(of: "a", at: .now()).wait() == [Self.address])
    }

    @Test func `a name that does not resolve gives nothing, now and for a moment after`() throws {
        let table = NameTable(self.resolver.source, on: self.loop)
        let first = table.places(of: "a", at: self.start)
        self.resolver.answer([])
        self.loop.run()
        #expect(try first.wait() == [])
        #expect(try table.places(of: "a", at: .now()).wait() == [])
        #expect(self.resolver.asked.isEmpty)
    }

    @Test func `names in use are asked for though nobody connects, others are not`() {
        let table = NameTable(self.resolver.source, on: self.loop)
        for name in ["a", "b"] { _ = table.places(of: name, at: self.start) }
        self.resolver.answer([Self.address])
        self.loop.run()
        table.sweep(.now() + .seconds(9)) { ["a"] }
        #expect(self.resolver.asked.isEmpty)
        table.sweep(.now() + .seconds(11)) { ["a"] }
        #expect(self.resolver.asked == ["a"])
    }

    @Test func `what nobody uses and is too old is forgotten`() {
        let table = NameTable(self.resolver.source, on: self.loop)
        _ = table.places(of: "a", at: self.start)
        self.resolver.answer([Self.address])
        self.loop.run()
        table.sweep(.now() + .seconds(69)) { [] }
        #expect(table.count == 1)
        table.sweep(.now() + .seconds(71)) { [] }
        #expect(table.count == 0)
    }

    @Test func `an address that is gone is told`() {
        let table = NameTable(self.resolver.source, on: self.loop)
        var gone: [IPAddress] = []
        table.whenGone = { name, addresses in
            #expect(name == "a")
            gone += addresses
        }
        _ = table.places(of: "a", at: self.start)
        self.resolver.answer([Self.address])
        self.loop.run()
        for round in 1...3 {
            #expect(gone.isEmpty)
            table.sweep(.now() + .seconds(Int64(20 * round))) { ["a"] }
            self.resolver.answer([IPAddress(v4: 8)])
            self.loop.run()
        }
        #expect(gone == [Self.address])
    }

    @Test func `the end lets nobody wait`() throws {
        let table = NameTable(self.resolver.source, on: self.loop)
        let waiting = table.places(of: "a", at: self.start)
        table.stop()
        #expect(try waiting.wait() == [])
        #expect(try table.places(of: "a", at: self.start).wait() == [])
        self.resolver.answer([Self.address])
        self.loop.run()
    }

    @Test func `NIO is given the addresses of each family with the port`() throws {
        let six = try #require(IPAddress("::2"))
        let found = FoundAddresses(found: self.loop.makeSucceededFuture([six, Self.address]))
        #expect(try found.initiateAQuery(host: "a", port: 5).wait() == [.init(ipAddress: "0.0.0.7", port: 5)])
        #expect(try found.initiateAAAAQuery(host: "a", port: 5).wait() == [.init(ipAddress: "::2", port: 5)])
    }
}
