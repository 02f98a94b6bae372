// The settings of `cors`, and the fields of answers that follow from them.
import JSON
import Proxy

/// What answers carry, put together once.
struct CORSFields {
    private(set) var granted = FieldEdits()
    private(set) var refused = FieldEdits()
    private(set) var preflight = FieldEdits()

    /// The fields of a configuration.
    static let all: [FieldSchema] = [
        FieldSchema(
            "origins",
            .list(.string),
            help:
                "Who may read: origins such as `https://app.example.com`, expressions that match an origin "
                + "from end to end (without a colon: its host), or `*`; anybody if unset."
        ),
        FieldSchema(
            "methods",
            .list(.string),
            default: [
                "GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT",
            ],
            oneOf: ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"],
            help: "What a preflight allows."
        ),
        FieldSchema(
            "headers",
            .list(.string),
            help: "What a preflight allows of headers; those that it asks for if unset."
        ),
        FieldSchema("exposed_headers", .list(.string), help: "Headers of answers that pages may read."),
        FieldSchema("max_age", .number, range: 0...31_536_000, help: "Seconds that a preflight may be kept."),
        FieldSchema(
            "credentials",
            .boolean,
            default: false,
            help: "Whether pages may ask with the user's cookies; only for origins that are listed."
        ),
        FieldSchema(
            "private_network",
            .boolean,
            default: false,
            help:
                "Whether public pages may ask in a private network (`Access-Control-Allow-Private-Network`)."
        ),
        FieldSchema(
            "preflight_continue",
            .boolean,
            default: false,
            help:
                "Leaves preflights to the plugins that follow and to the upstream, answers as they are."
        ),
        FieldSchema(
            "allow_origin_absent",
            .boolean,
            default: true,
            help: "Whether answers to requests without `Origin` carry the fields too."
        ),
    ]

    private static let replaced: [FieldName] = [
        .allowOrigin, .allowCredentials, .exposeHeaders, .allowMethods, .allowHeaders, .maxAge,
        .allowPrivateNetwork,
    ]

    init(_ settings: Settings, _ origins: OriginList) throws(ConfigurationError) {
        for name in Self.replaced { self.refused.remove(name) }
        let exposed = try Self.list(settings, "exposed_headers")
        let allowed = try Self.list(settings, "headers")
        do throws(FieldEditError) {
            if !origins.isOpen { try self.refused.append(.vary, "Origin") }
            self.granted = self.refused
            if origins.isOpen { self.granted.set(.allowOrigin, constant: "*") }
            if let single = origins.single { try self.granted.set(.allowOrigin, octets: single.span) }
            if settings.flag("credentials"), !origins.isOpen {
                self.granted.set(.allowCredentials, constant: "true")
            }
            self.preflight = self.granted
            if !exposed.isEmpty { try self.granted.set(.exposeHeaders, exposed) }
            if !allowed.isEmpty { try self.preflight.set(.allowHeaders, allowed) }
            let methods = (settings.strings("methods") ?? []).joined(separator: ",")
            if !methods.isEmpty { try self.preflight.set(.allowMethods, methods) }
            if let age = settings.number("max_age") {
                try self.preflight.set(.maxAge, Int64(exactly: age).map(String.init) ?? String(age))
            }
        } catch {
            throw ConfigurationError(at: settings.position, "cors: the fields of an answer are too large")
        }
    }

    /// Names of fields, or `*`, as one value.
    private static func list(_ settings: Settings, _ name: String) throws(ConfigurationError) -> String {
        let texts = settings.strings(name) ?? []
        for text in texts where text != "*" && FieldName(text) == nil {
            throw settings.error(name, "'\(text)' is no name of a header")
        }
        return texts.joined(separator: ",")
    }
}
