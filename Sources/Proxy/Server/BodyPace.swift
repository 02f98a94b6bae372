// How slowly a request's body may come.

import NIOCore

/// Holds a client to a least rate of its body, over the time in which we were ready to take it (X21).
///
/// `bodySeconds` are given in advance; after them the octets so far must have come at the rate.
struct BodyPace {
    private var began: NIODeadline?
    private var heldSince: NIODeadline?

    /// When the next piece must be here at the latest.
    mutating func deadline(_ now: NIODeadline, received: Int, _ limits: ProxyLimits) -> NIODeadline {
        let pause = TimeAmount(seconds: limits.bodySeconds)
        guard limits.bodyRate > 0 else { return now + pause }
        self.goOn(now)
        let began = self.began ?? now
        self.began = began
        let earned = TimeAmount(seconds: Double(received) / Double(limits.bodyRate))
        return min(now + pause, began + pause + earned)
    }

    /// The client is held back by us: its clock stands still.
    mutating func hold(_ now: NIODeadline) {
        if self.heldSince == nil { self.heldSince = now }
    }

    private mutating func goOn(_ now: NIODeadline) {
        guard let since = self.heldSince else { return }
        self.heldSince = nil
        if let began = self.began { self.began = began + (now - since) }
    }
}
