// Kinds of plugins for golden files, and a plan in words.
import Foundation
import Gateway
import JSON
import Proxy

enum TextFile {
    static func read(_ path: String) throws -> String {
        try String(contentsOf: URL(filePath: path), encoding: .utf8)
    }

    static func write(_ text: String, to path: String) throws {
        try text.write(to: URL(filePath: path), atomically: true, encoding: .utf8)
    }
}

/// Does nothing.
final class IdlePlugin: Plugin {
    func request(_ passage: Passage) throws(Refusal) -> Step { .proceed }
}

enum TestKinds {
    static let oidc = PluginKind(
        name: "openid-connect",
        order: .authenticate,
        schema: [
            FieldSchema("issuer", .string, required: true),
            FieldSchema("scopes", .list(.string), default: ["openid"]),
            FieldSchema("client_secret", .list(.string), secret: true),
            FieldSchema("leeway", .integer, default: 0),
            FieldSchema("redis", .record([FieldSchema("host", .string)]), status: .notYet),
            FieldSchema("verify_signature", .boolean, default: true),
            FieldSchema(
                "ignore_signature",
                .list(.string),
                status: .refused(why: "a token proves nothing without one")
            ),
        ],
        mayBindConsumers: false,
        make: { settings, _ throws(ConfigurationError) in
            guard settings.flag("verify_signature") else {
                throw settings.error("verify_signature", "false switches off what a token is for")
            }
            return IdlePlugin()
        }
    )

    static let all = [RequestTermination.kind, Self.oidc]
}

enum PlanText {
    private static func lines(_ upstream: Upstream) -> [String] {
        let rules = upstream.rules
        var line = "upstream \(upstream.name) \(rules.algorithm.rawValue) trial=\(rules.trialSeconds)"
        line += " slow=\(rules.slowStartSeconds) retries=\(rules.retryPercent)% threshold=\(rules.threshold)"
        if let host = rules.hostHeader { line += " host=\(host)" }
        if let source = upstream.hashOn { line += " hash=\(source)" }
        if let source = upstream.hashFallback { line += " else=\(source)" }
        let active = rules.active
        return [
            line, "  passive \(self.text(rules.passive))",
            "  active \(active.kind) \(self.text(active.limits)) every=\(active.healthySeconds)/"
                + "\(active.unhealthySeconds) in=\(active.timeoutSeconds) at once=\(active.concurrency)",
        ]
            + upstream.targets.map { target in
                "  target \(target.host):\(target.port) \(target.weight)\(target.isFailover ? " failover" : "")"
            }
    }

    private static func text(_ limits: HealthLimits) -> String {
        let statuses = [limits.healthyStatuses, limits.unhealthyStatuses].map { $0.sorted().prefix(3) }
        return "+\(limits.successes) \(statuses[0]) -\(limits.httpFailures),\(limits.tcpFailures),"
            + "\(limits.timeouts) \(statuses[1])"
    }

    static func lines(_ configuration: Configuration, _ plan: Plan) -> [String] {
        var lines: [String] = []
        for service in configuration.services {
            lines.append(
                "service \(service.name ?? "-") \(service.host):\(service.port)\(service.path ?? "") "
                    + "retries=\(service.retries) read=\(service.readTimeoutMilliseconds)"
            )
        }
        for upstream in configuration.upstreams { lines += self.lines(upstream) }
        for planned in plan.routes {
            let route = planned.route
            var line = "route \(route.name ?? "-") -> \(planned.service?.name ?? "nothing")"
            if !route.hosts.isEmpty { line += " hosts=\(route.authorities)" }
            if !route.paths.isEmpty { line += " paths=\(route.paths)" }
            if !route.methods.isEmpty { line += " methods=\(route.methods)" }
            for field in route.fields {
                line += " \(field.name)=\(field.pattern ?? field.values.joined(separator: ","))"
            }
            line += " strip=\(route.stripsPath) steps=\(planned.steps.map(\.name))"
            lines.append(line)
        }
        for consumer in configuration.consumers {
            lines.append(
                "consumer \(consumer.title) keys=\(consumer.keys.map(\.key)) groups=\(consumer.groups) "
                    + "in=\(consumer.consumerGroups)"
            )
        }
        for plugin in configuration.plugins where plugin.name == "request-termination" {
            let message = plugin.settings.string("message") ?? plugin.settings.string("body") ?? ""
            lines.append("termination \(plugin.settings.integer("status_code") ?? 0) \(message)")
        }
        for plugin in configuration.plugins where plugin.name == "openid-connect" {
            lines.append(
                "oidc \(plugin.settings.string("issuer") ?? "") \(plugin.settings.strings("client_secret") ?? []) "
                    + "leeway=\(plugin.settings.integer("leeway") ?? -1)"
            )
        }
        for test in configuration.tests {
            lines.append("test \(test.request) \(test.run(plan, now: 0)?.description ?? "as expected")")
        }
        return lines
    }
}
