// What one event loop keeps for itself, without locks.

/// Names a piece of state that each worker has its own copy of.
package struct WorkerSlot<State: AnyObject>: Sendable {
    fileprivate final class Token: Sendable {}
    fileprivate let token = Token()

    /// Names a new piece of state.
    package init() {}
}

/// One event loop's own memory: caches and counters; used on that loop only.
package final class Worker {
    private struct Kept {
        weak var token: AnyObject?
        let state: AnyObject
    }

    /// Which of the loops it is, from 0.
    package let index: Int
    /// What happened on this loop.
    package let metrics: Metrics
    private var kept: [ObjectIdentifier: Kept] = [:]
    private var identifiers: RequestIdentifiers

    /// Makes the memory of a loop.
    package init(index: Int) {
        self.index = index
        self.metrics = Metrics()
        self.identifiers = RequestIdentifiers(
            high: UInt64.random(in: .min ... .max),
            low: UInt64.random(in: .min ... .max)
        )
    }

    /// This loop's copy of the state, made at its first use.
    package func state<State: AnyObject>(_ slot: WorkerSlot<State>, make: () -> State) -> State {
        let key = ObjectIdentifier(slot.token)
        if let kept = self.kept[key], kept.token != nil, let state = kept.state as? State { return state }
        let state = make()
        self.kept[key] = Kept(token: slot.token, state: state)
        return state
    }

    /// Forgets the state of slots that nobody holds any more.
    func sweep() {
        self.kept = self.kept.filter { $0.value.token != nil }
    }

    /// A new request's identifier.
    func nextRequestID() -> String { self.identifiers.next() }

    /// 128 bits that no other identifier of this loop has.
    func nextBits() -> (high: UInt64, low: UInt64) { self.identifiers.nextBits() }
}

/// Identifiers of requests: unlike each other, and no secrets.
struct RequestIdentifiers {
    private var high: UInt64
    private var low: UInt64
    private static let digits = Array("0123456789abcdef".utf8)

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// 32 hexadecimal digits.
    mutating func next() -> String {
        let (first, second) = self.nextBits()
        var octets: [UInt8] = []
        octets.reserveCapacity(32)
        Self.write(first, to: &octets)
        Self.write(second, to: &octets)
        return String(decoding: octets, as: UTF8.self)
    }

    /// The identifier as numbers.
    mutating func nextBits() -> (high: UInt64, low: UInt64) {
        self.high = Self.mixed(self.high &+ 0x9E37_79B9_7F4A_7C15)
        self.low &+= 0x9E37_79B9_7F4A_7C15
        return (self.high, Self.mixed(self.low))
    }

    /// The finalizer of SplitMix64.
    private static func mixed(_ seed: UInt64) -> UInt64 {
        var value = seed
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    private static func write(_ value: UInt64, to output: inout [UInt8]) {
        for shift in stride(from: 60, through: 0, by: -4) {
            output.append(Self.digits[Int((value >> UInt64(shift)) & 0xF)])
        }
    }
}
