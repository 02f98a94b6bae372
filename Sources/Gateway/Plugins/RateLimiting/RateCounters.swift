// The counts of all instances, which outlive the plans that use them.
import Synchronization

/// Hands out tables of counts by name: a plan that is made while another serves gets the other's.
package final class RateCounters: Sendable {
    private struct Kept {
        weak var table: CounterTable?
    }

    private let kept = Mutex<[String: Kept]>([:])

    /// No counts yet.
    package init() {}

    /// The table of that name, made if nobody has it.
    func table(_ name: String, seconds: Int) -> CounterTable {
        self.kept.withLock { kept in
            kept = kept.filter { $0.value.table != nil }
            if let table = kept[name]?.table { return table }
            let table = CounterTable(seconds: seconds)
            kept[name] = Kept(table: table)
            return table
        }
    }
}
