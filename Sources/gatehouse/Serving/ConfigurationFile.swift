// The configuration file, read and compiled exactly as the server does.
import Access
import Control
import Foundation
import Gateway

/// Reads a configuration and compiles it; nothing is half-applied.
struct ConfigurationFile: Sendable {
    let path: String
    let environment: [String: String]
    /// What the plugins are made from.
    var services: AccessServices
    /// What the settings say of TLS.
    var tls = TLSSettings()

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
        let terms: TLSTerms
        do { terms = try self.tls.terms() } catch {
            return Reading(diagnostics: [Diagnostic(.error, at: .nowhere, "\(error)")])
        }
        let kinds = Plugins.all(self.services)
        let file = DeclarativeFile.load(
            Array(text),
            name: self.path,
            environment: self.environment,
            kinds: kinds
        )
        guard let configuration = file.configuration else { return Reading(diagnostics: file.diagnostics) }
        do throws(ConfigurationError) {
            let plan = try Plan(
                configuration,
                kinds: kinds,
                tls: terms,
                generation: generation,
                after: previous
            )
            let hidden = plan.routesHidden(behind: OwnPaths.all(self.services))
            return Reading(
                plan: plan,
                configuration: configuration,
                diagnostics: file.diagnostics + plan.warnings + hidden
            )
        } catch {
            return Reading(configuration: configuration, diagnostics: file.diagnostics + error.diagnostics)
        }
    }
}
