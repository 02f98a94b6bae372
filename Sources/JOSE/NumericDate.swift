// A moment as tokens write it.

/// Seconds since 1970-01-01T00:00:00Z, without leap seconds; fractions allowed (RFC 7519 §2).
package struct NumericDate: Sendable, Comparable, Hashable {
    /// Always finite where it came out of a token; may be far beyond any calendar.
    package var seconds: Double

    /// The moment so many seconds after 1970.
    package init(seconds: Double) { self.seconds = seconds }

    /// The whole seconds, held within what 64 bits can say: a token may write 1e300.
    package var wholeSeconds: Int64 {
        guard seconds > -9e18 else { return -9_000_000_000_000_000_000 }
        guard seconds < 9e18 else { return 9_000_000_000_000_000_000 }
        return Int64(seconds.rounded(.down))
    }

    /// Says which moment is the earlier one.
    package static func < (one: NumericDate, other: NumericDate) -> Bool { one.seconds < other.seconds }

    /// The moment so many seconds later.
    package static func + (date: NumericDate, seconds: Double) -> NumericDate {
        NumericDate(seconds: date.seconds + seconds)
    }

    /// The moment so many seconds earlier.
    package static func - (date: NumericDate, seconds: Double) -> NumericDate {
        NumericDate(seconds: date.seconds - seconds)
    }
}
