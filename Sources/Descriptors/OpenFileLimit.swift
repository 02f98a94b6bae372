// How many files the program may have open.
import CDescriptors

/// The bound of open files (RLIMIT_NOFILE), which every connection counts against.
package struct OpenFileLimit: Sendable, Equatable {
    /// What it was before it was raised.
    package let before: Int
    /// What it is now.
    package let now: Int

    /// Raises the bound as far as this program may: to the hard one.
    package static func raise() -> OpenFileLimit {
        var before: Int64 = 0
        let now = unsafe descriptors_raise_limit(&before)
        return OpenFileLimit(before: Int(before), now: now < 0 ? Int(before) : Int(now))
    }
}
