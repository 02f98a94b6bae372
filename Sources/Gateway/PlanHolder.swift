// Today's plan, as all workers see it.
import Synchronization

/// Holds the plan in force; workers look at its number for every request and take the plan when it has changed.
package final class PlanHolder: Sendable {
    private let plan: Mutex<Plan>
    private let number: Atomic<UInt64>

    /// Begins with a plan.
    package init(_ plan: Plan) {
        self.plan = Mutex(plan)
        self.number = Atomic(0)
    }

    /// The plan in force.
    package var current: Plan { self.plan.withLock { $0 } }

    /// Rises whenever another plan comes into force.
    var revision: UInt64 { self.number.load(ordering: .acquiring) }

    /// Puts another plan into force; requests under way finish under theirs.
    package func replace(with plan: Plan) {
        self.plan.withLock { $0 = plan }
        self.number.wrappingAdd(1, ordering: .releasing)
    }
}
