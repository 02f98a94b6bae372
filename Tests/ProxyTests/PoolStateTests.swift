// The pool's book: events in, actions out.

import Testing

@testable import Proxy

struct PoolStateTests {
    static func id(_ slot: Int) -> ConnectionID { ConnectionID(slot: slot) }

    @Test func `the latest to come back is the first to go out`() {
        var pool = PoolState(limit: 2, idleLimit: 2, waiterLimit: 2)
        #expect(pool.lease(for: 1) == .connect(Self.id(0)))
        #expect(pool.lease(for: 2) == .connect(Self.id(1)))
        #expect(pool.giveBack(Self.id(0)) == .keepIdle(Self.id(0)))
        #expect(pool.giveBack(Self.id(1)) == .keepIdle(Self.id(1)))
        #expect(pool.idleCount == 2)
        #expect(pool.lease(for: 3) == .use(Self.id(1)))
        #expect(pool.lease(for: 4) == .use(Self.id(0)))
    }

    @Test func `a returned connection goes to whoever waits longest`() {
        var pool = PoolState(limit: 1, idleLimit: 1, waiterLimit: 2)
        #expect(pool.lease(for: 1) == .connect(Self.id(0)))
        #expect(pool.lease(for: 2) == .wait)
        #expect(pool.lease(for: 3) == .wait)
        #expect(pool.lease(for: 4) == .refuse)
        #expect(pool.giveBack(Self.id(0)) == .handOver(Self.id(0), to: 2))
        #expect(pool.giveBack(Self.id(0)) == .handOver(Self.id(0), to: 3))
        #expect(pool.giveBack(Self.id(0)) == .keepIdle(Self.id(0)))
    }

    @Test func `the place of a lost connection goes to whoever waits`() {
        var pool = PoolState(limit: 1, idleLimit: 1, waiterLimit: 2)
        #expect(pool.lease(for: 1) == .connect(Self.id(0)))
        #expect(pool.lease(for: 2) == .wait)
        #expect(pool.gone(Self.id(0)) == .connect(Self.id(0), for: 2))
        #expect(pool.gone(Self.id(0)) == .nothing)
        #expect(pool.count == 0)
        #expect(pool.gone(Self.id(0)) == .nothing)
    }

    @Test func `a waiting request that left gets nothing`() {
        var pool = PoolState(limit: 1, idleLimit: 1, waiterLimit: 3)
        #expect(pool.lease(for: 1) == .connect(Self.id(0)))
        for request in 2...4 { #expect(pool.lease(for: PoolState.RequestID(request)) == .wait) }
        pool.forget(3)
        #expect(pool.waiterCount == 2)
        #expect(pool.giveBack(Self.id(0)) == .handOver(Self.id(0), to: 2))
        #expect(pool.giveBack(Self.id(0)) == .handOver(Self.id(0), to: 4))
    }

    @Test func `idle connections are kept up to the limit, lost ones forgotten`() {
        var pool = PoolState(limit: 3, idleLimit: 1, waiterLimit: 0)
        #expect(pool.lease(for: 1) == .connect(Self.id(0)))
        #expect(pool.lease(for: 2) == .connect(Self.id(1)))
        #expect(pool.giveBack(Self.id(0)) == .keepIdle(Self.id(0)))
        #expect(pool.giveBack(Self.id(1)) == .close(Self.id(1)))
        #expect(pool.gone(Self.id(1)) == .nothing)
        #expect(pool.gone(Self.id(0)) == .nothing)
        #expect(pool.count == 0 && pool.idleCount == 0)
    }

    @Test func `a retry gets a new connection while there is room`() {
        var pool = PoolState(limit: 2, idleLimit: 2, waiterLimit: 0)
        #expect(pool.lease(for: 1) == .connect(Self.id(0)))
        #expect(pool.giveBack(Self.id(0)) == .keepIdle(Self.id(0)))
        #expect(pool.lease(for: 2, fresh: true) == .connect(Self.id(1)))
        #expect(pool.lease(for: 3, fresh: true) == .use(Self.id(0)))
    }

    @Test func `many waiters are served in order`() {
        var pool = PoolState(limit: 1, idleLimit: 1, waiterLimit: 1000)
        #expect(pool.lease(for: 0) == .connect(Self.id(0)))
        for request in 1...200 { #expect(pool.lease(for: PoolState.RequestID(request)) == .wait) }
        for request in 1...200 {
            #expect(pool.giveBack(Self.id(0)) == .handOver(Self.id(0), to: PoolState.RequestID(request)))
        }
    }

    @Test func `a retired pool gives up what is idle, keeps nothing more, and is empty in the end`() {
        var pool = PoolState(limit: 2, idleLimit: 2, waiterLimit: 2)
        #expect(pool.isEmpty)
        #expect(pool.lease(for: 1) == .connect(Self.id(0)))
        #expect(pool.lease(for: 2) == .connect(Self.id(1)))
        #expect(pool.lease(for: 3) == .wait)
        #expect(pool.giveBack(Self.id(0)) == .handOver(Self.id(0), to: 3))
        #expect(pool.giveBack(Self.id(1)) == .keepIdle(Self.id(1)))
        #expect(pool.retire() == [Self.id(1)])
        #expect(pool.gone(Self.id(1)) == .nothing)
        #expect(!pool.isEmpty)
        #expect(pool.giveBack(Self.id(0)) == .close(Self.id(0)))
        #expect(pool.gone(Self.id(0)) == .nothing)
        #expect(pool.isEmpty)
    }
}
