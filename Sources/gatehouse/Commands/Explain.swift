// `gatehouse explain`: what would become of a request, and why.
import Access
import ArgumentParser
import Foundation
import Gateway
import JSON
import Proxy

/// Asks the plan about a request; nothing is sent on.
struct Explain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Say what would become of a request: its route, its plugins, each rule's verdict and source.",
        discussion:
            """
            Prints one JSON object. Where the request shows a token, issuers are asked for their keys; nothing is \
            sent on. Exits with 0 when the request would pass, with 1 when it would not.
            """
    )

    @Option(help: "The configuration file.")
    var config: String

    @Option(help: "The request: 'GET https://host/path'.")
    var request: String

    @Option(
        name: .customLong("header"),
        help: "A field of the request, 'name: value'; may be given several times."
    )
    var headers: [String] = []

    @Option(help: "A JSON file of claims that are taken as proven.")
    var claims: String?

    @OptionGroup(title: "Settings that a verdict depends on") var settings: SettingsFlags

    func validate() throws {
        for header in self.headers where header.split(separator: ":", maxSplits: 1).count < 2 {
            throw ValidationError("--header wants 'name: value', found '\(header)'")
        }
    }

    func run() async throws {
        let settings = try LookingSettings.read(self.settings)
        let file = ConfigurationFile(
            path: self.config,
            environment: ProcessInfo.processInfo.environment,
            services: try .looking(settings),
            tls: settings.tls
        )
        let reading = file.read()
        guard let plan = reading.plan else {
            throw Failure(reading.errors.map(\.description).joined(separator: "\n"))
        }
        let showsToken = self.headers.contains { $0.lowercased().hasPrefix("authorization:") }
        if self.claims == nil, showsToken { await AccessPlugins.start(plan) }
        let explanation = try self.explanation(under: plan, settings.limits)
        print(explanation.json.serializedString)
        if !explanation.passes { throw ExitCode.failure }
    }

    private func explanation(under plan: Plan, _ limits: ProxyLimits) throws -> Explanation {
        let claims = try self.claims.map(Self.claims)
        do throws(WrittenRequestError) {
            let request = try WrittenRequest(
                self.request,
                fields: self.headers.map(Self.field),
                limits: limits
            )
            return Explainer(plan: plan, now: wallClock())
                .explain(request.head, client: request.client, claims: claims)
        } catch {
            guard let refusal = error.refusal else { throw ValidationError("--request: \(error.message)") }
            return Explainer.explain(refusal)
        }
    }

    private static func field(_ header: String) -> (name: String, value: String) {
        let parts = header.split(separator: ":", maxSplits: 1).map { trimmed($0) }
        return (parts.first ?? "", parts.last ?? "")
    }

    private static func claims(_ path: String) throws -> JSONValue {
        do {
            return try JSONValue(parsing: readFile(path))
        } catch let error as JSONError {
            throw Failure("\(path): \(error)")
        }
    }
}
