// Wall time as text: for logs, and for the `Date` field.

/// A moment in UTC, split into what people read.
struct CivilTime {
    let year: Int64
    /// 1 to 12.
    let month: Int64
    /// 1 to 31.
    let day: Int64
    /// 0 is Sunday.
    let weekday: Int
    /// Milliseconds of the day.
    let milliseconds: Int64

    /// Splits seconds since 1970; what is not within years 1970 to 9999 becomes their nearest end.
    init(_ seconds: Double) {
        let clamped = min(max(seconds, 0), 253_402_300_799.999)
        let total = Int64((clamped * 1000).rounded(.down))
        let days = total / 86_400_000
        self.milliseconds = total % 86_400_000
        self.weekday = Int((days + 4) % 7)
        // Civil date from days: the year begins in March, so that the leap day is its last.
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        self.month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        self.day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        self.year = yearOfEra + era * 400 + (self.month <= 2 ? 1 : 0)
    }

    /// `08:49:37`.
    var clock: String {
        let seconds = self.milliseconds / 1000
        return
            "\(Self.padded(seconds / 3600, 2)):\(Self.padded(seconds / 60 % 60, 2)):\(Self.padded(seconds % 60, 2))"
    }

    static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}

/// Wall time as logs have it.
package enum Timestamp {
    /// RFC 3339 in UTC with milliseconds, for years 1970 to 9999.
    package static func text(_ seconds: Double) -> String {
        let time = CivilTime(seconds)
        let date =
            "\(CivilTime.padded(time.year, 4))-\(CivilTime.padded(time.month, 2))-\(CivilTime.padded(time.day, 2))"
        return "\(date)T\(time.clock).\(CivilTime.padded(time.milliseconds % 1000, 3))Z"
    }
}

/// Wall time as HTTP has it; one worker's, made anew once a second.
struct HTTPDate {
    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private var second = -1.0
    private var cached = ""

    /// IMF-fixdate of that moment, in seconds since 1970 (RFC 9110 §5.6.7).
    mutating func text(_ seconds: Double) -> String {
        let second = seconds.rounded(.down)
        if second != self.second {
            self.second = second
            self.cached = Self.fixed(second)
        }
        return self.cached
    }

    private static func fixed(_ seconds: Double) -> String {
        let time = CivilTime(seconds)
        let date =
            "\(CivilTime.padded(time.day, 2)) \(Self.months[Int(time.month) - 1]) \(CivilTime.padded(time.year, 4))"
        return "\(Self.days[time.weekday]), \(date) \(time.clock) GMT"
    }
}
