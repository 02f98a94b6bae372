// How much of a limit a client has used, by the sliding window.

/// A client's use of one limit at one moment.
///
/// The last `seconds` are estimated as this window's count and that share of the last window's which the
/// sliding window still covers: a quarter into a minute, three quarters of the minute before count.
struct RateReading: Sendable {
    let limit: Int
    let seconds: Int
    let window: UInt32
    /// How much of the window has passed, from 0 to 1.
    let elapsed: Double
    let previous: UInt32
    var current: UInt32
    /// Whether this request has been counted.
    var isTaken = false

    init(_ limit: Int, _ seconds: Int, _ moment: WindowMoment, previous: UInt32, current: UInt32) {
        self.limit = limit
        self.seconds = seconds
        self.window = moment.window
        self.elapsed = moment.elapsed
        self.previous = previous
        self.current = current
    }

    /// Stands for nothing yet.
    static let none = RateReading(
        .max,
        1,
        WindowMoment(window: 0, elapsed: 0, patience: 0),
        previous: 0,
        current: 0
    )

    private var used: Double { Double(self.current) + Double(self.previous) * (1 - self.elapsed) }

    /// Whether one more would stay within the limit; a billionth of grace for what numbers lose in division.
    var hasRoom: Bool { self.used + 1 <= Double(self.limit) + 1e-9 }

    /// How many more may come now.
    var remaining: Int { max(0, Int((Double(self.limit) - self.used + 1e-9).rounded(.down))) }

    /// Whole seconds until the window ends, or where there is no room, until there is.
    var resetSeconds: Int {
        let whole = Double(self.seconds)
        let passed = whole * self.elapsed
        let wait: Double
        if self.isTaken || self.hasRoom {
            wait = whole - passed
        } else if Int(self.current) < self.limit {
            let free = Double(self.limit - 1 - Int(self.current))
            wait = whole * (1 - free / Double(self.previous)) - passed
        } else {
            // What is counted now is the last window's then.
            wait = whole - passed + whole * (1 - Double(self.limit - 1) / Double(self.current))
        }
        return max(1, Int((wait - 1e-9).rounded(.up)))
    }
}
