// Answers by itself: maintenance, decoys, routes without a service.
import JSON
import Proxy

/// The plugin `request-termination`: Kong's fields and defaults.
package final class RequestTermination: Plugin {
    private let status: Int
    private let contentType: String?
    private let message: String?
    private let body: String?
    private let echo: Bool
    private let trigger: String?

    /// The kind, for the list of all plugins.
    package static let kind = PluginKind(
        name: "request-termination",
        order: .terminate,
        schema: RequestTermination.fields,
        help: "Answers by itself with a fixed status and text.",
        make: { settings, _ throws(ConfigurationError) in try RequestTermination(settings) }
    )

    private static let fields: [FieldSchema] = [
        FieldSchema("status_code", .integer, default: 503, range: 100...599, help: "The answer's status."),
        FieldSchema("message", .string, help: "The `message` of a JSON answer; not with body."),
        FieldSchema(
            "content_type",
            .string,
            help: "The type of body; `application/json; charset=utf-8` if unset."
        ),
        FieldSchema("body", .string, help: "The answer's body as it is; not with message."),
        FieldSchema("echo", .boolean, default: false, help: "Answers with what the request looked like."),
        FieldSchema("trigger", .string, help: "Answers only where a header or query argument has this name."),
    ]

    init(_ settings: Settings) throws(ConfigurationError) {
        self.status = settings.integer("status_code") ?? 503
        self.message = settings.string("message")
        self.contentType = settings.string("content_type")
        self.body = settings.string("body")
        self.echo = settings.flag("echo")
        self.trigger = settings.string("trigger")
        guard self.status >= 200 else {
            throw settings.error("status_code", "1xx is no final answer; expected 200 to 599")
        }
        guard self.message == nil || (self.body == nil && self.contentType == nil) else {
            throw settings.error("message", "goes with neither body nor content_type")
        }
        guard self.contentType == nil || self.body != nil else {
            throw settings.error("content_type", "needs a body")
        }
        guard !self.echo || (self.body == nil && self.message == nil) else {
            throw settings.error("echo", "goes with neither body nor message")
        }
        if let type = self.contentType, !type.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) {
            throw settings.error("content_type", "expected visible ASCII")
        }
        if let trigger = self.trigger, FieldName(trigger) == nil {
            throw settings.error("trigger", "expected the name of a header or query argument")
        }
    }

    package func request(_ passage: Passage) throws(Refusal) -> Step {
        guard self.isTriggered(passage.request) else { return .proceed }
        if passage.reason == nil { passage.reason = "terminated" }
        if self.echo { return .answer(self.echoed(passage)) }
        if let body = self.body {
            let type = self.contentType ?? "application/json; charset=utf-8"
            return .answer(Answer(status: self.status, contentType: type, text: body))
        }
        let message = self.message ?? Self.standardMessage(self.status)
        return .answer(ErrorAnswer(passage).answer(self.status, message))
    }

    private static func standardMessage(_ status: Int) -> String {
        switch status {
        case 200..<300: "OK"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 503: "Service unavailable"
        default: ErrorAnswer.message(status)
        }
    }

    /// Whether the request names the trigger, as a field or a query argument.
    private func isTriggered(_ request: RequestHead) -> Bool {
        guard let trigger = self.trigger, let name = FieldName(trigger) else { return true }
        if request.count(of: name) > 0 { return true }
        return (request.queryText ?? "").split(separator: "&").contains {
            $0.prefix { $0 != "=" }.lowercased() == trigger.lowercased()
        }
    }

    /// The request as we saw it: credentials are left out.
    private func echoed(_ passage: Passage) -> Answer {
        let request = passage.request
        var fields: [String: JSONValue] = [:]
        let secret: [FieldName] = [.authorization, .cookie]
        request.forEach { field in
            guard !secret.contains(where: { request.fields.isNamed(field, $0) }) else { return }
            let name = request.fields.name(field).lowercased()
            let value = request.fields.string(field)
            fields[name] = .string(fields[name]?.string.map { "\($0), \(value)" } ?? value)
        }
        var members: [String: JSONValue] = [
            "message": .string(Self.standardMessage(self.status)), "request_id": .string(passage.requestID),
            "request": [
                "method": .string(request.methodText), "host": .string(request.hostText),
                "path": .string(request.pathText), "headers": .object(fields),
            ],
        ]
        if let route = passage.route { members["matched_route"] = .string(route.title) }
        return Answer(
            status: self.status,
            contentType: "application/json; charset=utf-8",
            text: JSONValue.object(members).serializedString
        )
    }
}
