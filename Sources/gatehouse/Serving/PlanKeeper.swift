// Takes the configuration file anew, whole or not at all.
import Gateway
import Logging

/// The one place where a plan is replaced; reloads wait for each other.
actor PlanKeeper {
    private let file: ConfigurationFile
    private let holder: PlanHolder
    private let logger: Logger
    private var generation: UInt64 = 1
    /// How often a file was taken and how often the old one was kept.
    private(set) var counts = (taken: 0, kept: 0)

    init(file: ConfigurationFile, holder: PlanHolder, logger: Logger) {
        self.file = file
        self.holder = holder
        self.logger = logger
    }

    /// Reads the file; what is wrong with it leaves the old plan in force.
    func reload() -> ReloadOutcome {
        let reading = self.file.read(generation: self.generation + 1, after: self.holder.current)
        let lines = reading.diagnostics.map(\.description)
        for warning in reading.warnings { self.logger.warning("\(warning)") }
        guard let plan = reading.plan else {
            self.counts.kept += 1
            for error in reading.errors { self.logger.error("\(error)") }
            self.logger.error("reload: the old configuration still serves")
            return ReloadOutcome(isTaken: false, lines: lines)
        }
        self.generation += 1
        self.holder.replace(with: plan)
        self.counts.taken += 1
        self.logger.notice(
            "reload: the new configuration serves",
            metadata: ["routes": "\(plan.routes.count)"]
        )
        return ReloadOutcome(isTaken: true, lines: lines)
    }
}
