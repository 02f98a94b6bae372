// Seconds as settings write them, in the loop's units.

import NIOCore

extension TimeAmount {
    /// So many seconds, fractions allowed; bounded to a year.
    init(seconds: Double) {
        self = .nanoseconds(Int64(max(0, min(seconds, 31_536_000)) * 1_000_000_000))
    }
}
