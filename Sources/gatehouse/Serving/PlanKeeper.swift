// Takes the configuration file anew, whole or not at all.
import Access
import Gateway
import Logging

/// The one place where a plan is replaced; reloads wait for each other.
actor PlanKeeper {
    private let holder: PlanHolder
    private let logger: Logger
    private let settings: ProgramSettings
    /// Hears of each plan that comes into force.
    private let newPlan: AsyncStream<Plan>.Continuation
    private var file: ConfigurationFile
    private var generation: UInt64 = 1
    /// How often a file was taken and how often the old one was kept.
    private(set) var counts = (taken: 0, kept: 0)

    init(
        file: ConfigurationFile,
        settings: ProgramSettings,
        holder: PlanHolder,
        newPlan: AsyncStream<Plan>.Continuation,
        logger: Logger
    ) {
        self.file = file
        self.settings = settings
        self.holder = holder
        self.newPlan = newPlan
        self.logger = logger
    }

    /// Reads the file and our keys; what is wrong with either leaves the old plan in force.
    func reload() -> ReloadOutcome {
        do throws(SealingKeyError) {
            self.file.services.keys = try self.settings.sealingKeys()
        } catch {
            return self.keep(["\(error)"])
        }
        do throws(KeyFolderError) {
            self.file.services.signing.take(try self.settings.signingKeys())
        } catch {
            return self.keep(["\(error)"])
        }
        let reading = self.file.read(generation: self.generation + 1, after: self.holder.current)
        for warning in reading.warnings { self.logger.warning("\(warning)") }
        guard let plan = reading.plan else { return self.keep(reading.diagnostics.map(\.description)) }
        self.generation += 1
        self.holder.replace(with: plan)
        self.newPlan.yield(plan)
        self.counts.taken += 1
        self.logger.notice(
            "reload: the new configuration serves",
            metadata: ["routes": "\(plan.routes.count)"]
        )
        return ReloadOutcome(isTaken: true, lines: reading.diagnostics.map(\.description))
    }

    private func keep(_ lines: [String]) -> ReloadOutcome {
        self.counts.kept += 1
        for line in lines { self.logger.error("\(line)") }
        self.logger.error("reload: the old configuration still serves")
        return ReloadOutcome(isTaken: false, lines: lines)
    }
}
