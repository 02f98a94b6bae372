// `gatehouse check`: is this configuration good?
import Access
import ArgumentParser
import Foundation
import Gateway

/// Validates a configuration exactly as the server would, and runs its tests.
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Validate a configuration exactly as the server would, and run its `tests`.",
        discussion: """
            Prints one line a finding, FILE:LINE:COLUMN: error: or warning:, and exits with 1 when there is an \
            error. With --strict a warning about the posture (TLS verification off, no redirect host, …) is one too.
            """
    )

    @Argument(help: "The configuration file, in decK's format.")
    var file: String

    @Flag(help: "Take warnings for errors.")
    var strict = false

    @OptionGroup(title: "Settings that a verdict depends on") var settings: SettingsFlags

    func run() throws {
        let settings = try LookingSettings.read(self.settings)
        let file = ConfigurationFile(
            path: self.file,
            environment: ProcessInfo.processInfo.environment,
            services: try .looking(settings),
            tls: settings.tls
        )
        let reading = file.read()
        var findings = reading.diagnostics
        if let plan = reading.plan, let configuration = reading.configuration {
            findings += configuration.tests.compactMap {
                $0.run(plan, limits: settings.limits, now: wallClock())
            }
        }
        if self.strict {
            findings = findings.map { Diagnostic(.error, at: $0.position, $0.message) }
        }
        findings.forEach { print($0) }
        if findings.contains(where: { $0.severity == .error }) { throw ExitCode.failure }
    }
}

/// The settings of a command that serves nothing.
enum LookingSettings {
    static func read(_ flags: SettingsFlags) throws -> ProgramSettings {
        let environment = ProcessInfo.processInfo.environment
        let file = try environment["GATEHOUSE_SETTINGS"].map { ($0, try readFile($0)) }
        let sources = SettingsSources(flags: flags.given, environment: environment, file: file)
        return try ProgramSettings(
            sources.written().settings,
            cores: ProcessInfo.processInfo.activeProcessorCount
        )
    }
}

/// The bytes of a file that the user named.
func readFile(_ path: String) throws(Failure) -> [UInt8] {
    guard let text = FileManager.default.contents(atPath: path) else {
        throw Failure("\(path) cannot be read")
    }
    return Array(text)
}
