// The configuration file, read and compiled exactly as the server does.
import Control
import Foundation
import Gateway

/// Reads a configuration and compiles it; nothing is half-applied.
struct ConfigurationFile: Sendable {
    let path: String
    let environment: [String: String]
    var kinds: [PluginKind]

    /// What came of a file: a plan or none, and everything there is to say.
    struct Reading {
        var plan: Plan?
        var configuration: Configuration?
        var diagnostics: [Diagnostic]

        var errors: [Diagnostic] { self.diagnostics.filter { $0.severity == .error } }
        var warnings: [Diagnostic] { self.diagnostics.filter { $0.severity == .warning } }
    }

    /// - Parameter previous: whose endpoints live on in the new plan.
    func read(generation: UInt64 = 1, after previous: Plan? = nil) -> Reading {
        guard let text = FileManager.default.contents(atPath: self.path) else {
            let place = Position(file: self.path, line: 1, column: 1)
            return Reading(diagnostics: [Diagnostic(.error, at: place, "the file cannot be read")])
        }
        let file = DeclarativeFile.load(
            Array(text),
            name: self.path,
            environment: self.environment,
            kinds: self.kinds
        )
        guard let configuration = file.configuration else { return Reading(diagnostics: file.diagnostics) }
        do throws(ConfigurationError) {
            let plan = try Plan(configuration, kinds: self.kinds, generation: generation, after: previous)
            return Reading(
                plan: plan,
                configuration: configuration,
                diagnostics: file.diagnostics + plan.warnings
            )
        } catch {
            return Reading(configuration: configuration, diagnostics: file.diagnostics + error.diagnostics)
        }
    }
}
