// `gatehouse serve`: runs.
import Access
import ArgumentParser
import Descriptors
import Foundation
import Gateway
import Logging

/// Runs the gateway until it is told to stop.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the gateway.",
        discussion: """
            Logs JSON lines on standard error. SIGTERM drains and exits with 0; SIGHUP takes the configuration anew, \
            whole or not at all. Each setting is a flag, a variable or a key of the settings file; a flag beats \
            the environment, which beats the file.
            """
    )

    @Option(help: "The configuration file (GATEHOUSE_CONFIG; default: ./gatehouse.yaml).")
    var config: String?

    @Option(
        name: .customLong("settings"),
        help: "The settings file, YAML (GATEHOUSE_SETTINGS; default: none)."
    )
    var settingsFile: String?

    @Flag(help: "Take over from the program that runs with the same data_dir, without losing a connection.")
    var takeover = false

    @OptionGroup(title: "Settings") var flags: SettingsFlags

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        // All that this program makes is its owner's alone, from the first moment.
        umask(0o077)
        let (settings, warnings) = try self.settings(environment)
        let logger = Logger(label: "gatehouse") { _ in
            LineLogHandler(logLevel: settings.logLevel, format: settings.logFormat, sink: LineSink())
        }
        for warning in warnings { logger.warning("\(warning)") }
        if !settings.coreDumps, !MemoryPictures.forbid() {
            logger.warning("a crash may leave a core file: the system does not let us forbid it")
        }
        let path = self.config ?? environment["GATEHOUSE_CONFIG"] ?? "./gatehouse.yaml"
        do {
            let program = try RunningProgram(
                settings: settings,
                configuration: path,
                environment: environment,
                logger: logger
            )
            try await program.run(takesOver: self.takeover)
        } catch {
            for reason in "\(error)".split(separator: "\n") { logger.critical("cannot start: \(reason)") }
            throw ExitCode.failure
        }
    }

    private func settings(_ environment: [String: String]) throws -> (ProgramSettings, [String]) {
        let file = try (self.settingsFile ?? environment["GATEHOUSE_SETTINGS"]).map { ($0, try readFile($0)) }
        let sources = SettingsSources(flags: self.flags.given, environment: environment, file: file)
        let (written, warnings) = try sources.written()
        let cores = ProcessInfo.processInfo.activeProcessorCount
        return (try ProgramSettings(written, cores: cores), warnings)
    }
}
