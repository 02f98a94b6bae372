// Which pages of other origins may ask, and read what they get.
import Proxy

extension FieldName {
    static let allowCredentials: FieldName = "access-control-allow-credentials"
    static let allowHeaders: FieldName = "access-control-allow-headers"
    static let allowMethods: FieldName = "access-control-allow-methods"
    static let allowOrigin: FieldName = "access-control-allow-origin"
    static let allowPrivateNetwork: FieldName = "access-control-allow-private-network"
    static let exposeHeaders: FieldName = "access-control-expose-headers"
    static let maxAge: FieldName = "access-control-max-age"
    static let requestHeaders: FieldName = "access-control-request-headers"
    static let requestMethod: FieldName = "access-control-request-method"
    static let requestPrivateNetwork: FieldName = "access-control-request-private-network"
    static let vary: FieldName = "vary"
}

/// The plugin `cors`: Kong's fields and defaults.
///
/// Its fields stand on every answer of the route, our own refusals too, so that a page can read why it was
/// refused. A preflight is answered here, before anyone is asked for a credential, and forwarded to nobody.
package final class CORS: Plugin {
    private let origins: OriginList
    private let continuesPreflight: Bool
    private let allowsPrivateNetwork: Bool
    private let answersWithoutOrigin: Bool
    private let reflectsHeaders: Bool
    /// What answers carry, once for whoever may read them and once for whoever may not.
    private let granted: FieldEdits
    private let refused: FieldEdits
    /// The same for preflights.
    private let preflight: FieldEdits
    package let warnings: [Diagnostic]

    /// The kind, for the list of all plugins.
    package static let kind = PluginKind(
        name: "cors",
        order: .shape,
        schema: CORSFields.all,
        mayBindConsumers: false,
        help: """
            Answers preflights and says which origins may read the answers, refusals included. What an
            upstream says in `Access-Control-*` is replaced. A preflight (OPTIONS with `Origin` and
            `Access-Control-Request-Method`) is answered before authentication and never forwarded, unless
            `preflight_continue` is set; any other OPTIONS needs what every request needs. Two things differ
            from Kong: with `credentials`, any origin (`*`, or none written) is not answered with the origin
            that asks, since every page could then read as the user, so credentials stay off; and
            credentials are granted only to an origin on the list. The origin `null` cannot be listed.
            """,
        make: { settings, scope throws(ConfigurationError) in try CORS(settings, scope) }
    )

    init(_ settings: Settings, _ scope: PluginScope) throws(ConfigurationError) {
        do throws(OriginList.Failure) {
            self.origins = try OriginList(settings.strings("origins") ?? [])
        } catch {
            throw settings.error("origins", error.words)
        }
        self.continuesPreflight = settings.flag("preflight_continue")
        self.allowsPrivateNetwork = settings.flag("private_network")
        self.answersWithoutOrigin = settings.flag("allow_origin_absent")
        self.reflectsHeaders = (settings.strings("headers") ?? []).isEmpty
        let fields = try CORSFields(settings, self.origins)
        (self.granted, self.refused, self.preflight) = (fields.granted, fields.refused, fields.preflight)
        if settings.flag("credentials"), self.origins.isOpen {
            let place = settings.wrote("origins") ? settings.position(of: "origins") : scope.position
            let words =
                "cors: credentials has no effect where any origin may read: browsers refuse that pair, and "
                + "whoever asks is not echoed; list the origins"
            self.warnings = [Diagnostic(.warning, at: place, words)]
        } else {
            self.warnings = []
        }
    }

    package func request(_ passage: Passage) throws(Refusal) -> Step {
        let head = passage.request
        let count = head.count(of: .origin)
        let asker = count == 1 ? head.first(.origin).map { head.fields.value($0) } : nil
        let isPreflight = head.method == .options && count > 0 && head.first(.requestMethod) != nil
        if isPreflight, self.continuesPreflight { return .proceed }
        do throws(FieldEditError) {
            guard count > 0 || self.answersWithoutOrigin else {
                passage.answer.add(self.refused)
                return .proceed
            }
            let mayRead = try self.setOrigin(asker, on: passage, isPreflight: isPreflight)
            guard isPreflight else { return .proceed }
            if mayRead { try self.setAsked(head, on: &passage.answer) }
        } catch {
            throw .unsafeField
        }
        return .answer(Answer(status: 200))
    }

    /// Says who may read; gives whether anyone may.
    private func setOrigin(
        _ asker: ArraySlice<UInt8>?,
        on passage: Passage,
        isPreflight: Bool
    ) throws(FieldEditError) -> Bool {
        let granted = isPreflight ? self.preflight : self.granted
        switch self.origins.verdict(asker) {
        case .everybody, .onlyOne: passage.answer.add(granted)
        case .asker:
            passage.answer.add(granted)
            if let asker { try passage.answer.set(.allowOrigin, octets: asker.span) }
        case .refused:
            passage.answer.add(self.refused)
            return false
        }
        return true
    }

    /// Answers what a preflight asks about, where the settings leave it open.
    private func setAsked(_ head: RequestHead, on answer: inout FieldEdits) throws(FieldEditError) {
        if self.reflectsHeaders, let asked = head.first(.requestHeaders) {
            try head.withValue(asked) { value throws(FieldEditError) in
                try answer.set(.allowHeaders, octets: value)
            }
        }
        if self.allowsPrivateNetwork, let asked = head.first(.requestPrivateNetwork),
            head.fields.value(asked).elementsEqual("true".utf8)
        {
            answer.set(.allowPrivateNetwork, constant: "true")
        }
    }
}
