// How much of what costs us and not the peer a connection may do (E3).

import NIOCore

/// Counts a peer's frames; pure.
struct FloodGuard {
    /// What a peer may do within `period`, and all in all.
    struct Bounds: Sendable {
        /// Resets of streams (CVE-2023-44487), and streams that we had to reset (CVE-2025-8671).
        var resets = 200
        /// PING and SETTINGS, each of which wants an answer.
        var controls = 200
        /// PRIORITY, unknown frames and WINDOW_UPDATE beyond so many for each stream and frame of data.
        var idle = 200
        var idlePerUse = 8
        /// Frames of data that are empty and not the last, in a row.
        var emptyData = 10
        /// CONTINUATION frames of one head.
        var continuations = 5
    }

    static let period = TimeAmount.seconds(30)

    private let bounds: Bounds
    private var resets = 0
    private var controls = 0
    private var periodEnd = NIODeadline.distantPast
    private var idle = 0
    /// Streams and frames of data so far.
    private var uses = 0
    private var emptyData = 0

    init(_ bounds: Bounds = Bounds()) { self.bounds = bounds }

    private mutating func turn(_ now: NIODeadline) {
        guard now >= self.periodEnd else { return }
        self.periodEnd = now + Self.period
        (self.resets, self.controls) = (0, 0)
    }

    /// A stream was reset, by the peer or because of it; false if that is one too many.
    mutating func admitReset(at now: NIODeadline) -> Bool {
        self.turn(now)
        self.resets += 1
        return self.resets <= self.bounds.resets
    }

    /// A frame came that wants an answer.
    mutating func admitControl(at now: NIODeadline) -> Bool {
        self.turn(now)
        self.controls += 1
        return self.controls <= self.bounds.controls
    }

    /// A stream was opened, or data sent.
    mutating func noteUse() { self.uses &+= 1 }

    /// A frame came that does nothing much.
    mutating func admitIdle() -> Bool {
        self.idle &+= 1
        return self.idle <= self.bounds.idle &+ self.uses &* self.bounds.idlePerUse
    }

    /// Data came.
    mutating func admitData(isEmpty: Bool) -> Bool {
        self.emptyData = isEmpty ? self.emptyData + 1 : 0
        return self.emptyData <= self.bounds.emptyData
    }

    /// So many CONTINUATION frames of one head came.
    func admits(continuations: Int) -> Bool { continuations <= self.bounds.continuations }
}
