// What a client is told when its request does not pass: the only place where that is decided.
package import Proxy

/// Turns refusals and failures into answers: JSON as Kong's, HTML for browsers, a status for gRPC.
package struct ErrorAnswer {
    /// What the client reads.
    private enum Form: Equatable {
        case json, page
        /// `keepsStatus`: not under 200, as gRPC's own clients would have it.
        case grpc(keepsStatus: Bool)
    }

    private let form: Form
    private let requestID: String
    private let language: PageLanguage
    private let theme: PageTheme
    /// What a browser that navigates has asked for: authority and path; nil for any other client.
    private let navigatedTo: (authority: String, path: String)?

    /// Answers one request.
    package init(acceptsHTML: Bool, requestID: String) {
        self.form = acceptsHTML ? .page : .json
        self.requestID = requestID
        self.language = .english
        self.theme = .plain
        self.navigatedTo = nil
    }

    /// Answers the request of a passage.
    package init(_ passage: Passage) {
        if passage.isGRPC {
            self.form = .grpc(keepsStatus: passage.isReadByStatus)
        } else {
            self.form = passage.acceptsHTML ? .page : .json
        }
        self.requestID = passage.requestID
        self.language = self.form == .page ? passage.language : .english
        self.theme = passage.worker.theme
        let request = passage.request
        self.navigatedTo =
            passage.isBrowserNavigation ? (request.authorityText.lowercased(), request.pathText) : nil
    }

    /// A plugin's or the gateway's own refusal.
    package func answer(_ refusal: Refusal) -> Answer {
        let cause = refusal.cause
        let isFailure = refusal.status >= 500
        let place =
            [401, 403].contains(refusal.status) ? cause.redirect : isFailure ? cause.failureRedirect : nil
        if let place, self.leadsElsewhere(place) { return .redirect(to: place) }
        var fields = cause.challenges.map { ("WWW-Authenticate", $0) }
        switch refusal {
        case .unavailable(let seconds, _), .chosen(_, .some(let seconds), _):
            fields.append(("Retry-After", String(seconds)))
        case .methodNotAllowed(let methods): fields.append(("Allow", methods.joined(separator: ", ")))
        case .chosen, .unauthenticated, .forbidden, .notFound, .malformed, .failed: break
        }
        var message = refusal.message
        if cause.isDisplayed {
            message += " (\(cause.reason)\(cause.detail.map { ": \($0)" } ?? ""))"
        }
        if case .json = self.form, let url = cause.loginURL {
            return self.json(refusal.status, message, fields, [("login_url", url)])
        }
        return self.answer(refusal.status, message, fields, wayOn: cause.wayOn, hint: cause.hint)
    }

    /// Whether a browser that navigates would come to another place than it asked for; else it would turn in circles.
    private func leadsElsewhere(_ place: String) -> Bool {
        guard let (authority, path) = self.navigatedTo else { return false }
        // Without a scheme it is a path; one that is written has two slashes behind it.
        let scheme = ["https://", "http://"].first { place.lowercased().hasPrefix($0) }
        let rest = scheme.map { place.dropFirst($0.count) }
        let host = rest.map { $0.prefix { !"/?#".contains($0) } }
        let tail = rest.map { $0.dropFirst(host?.count ?? 0) } ?? place[...]
        let leads = tail.prefix { !"?#".contains($0) }
        return (host.map { $0.lowercased() } ?? authority) != authority
            || (leads.isEmpty ? "/" : leads) != path
    }

    /// A failure on the way to the upstream or back.
    package func answer(_ error: ProxyError) -> Answer {
        switch error {
        case .noTarget: self.answer(error.status, "failure to get a peer from the ring-balancer")
        case .nameNotResolved: self.answer(error.status, "name resolution failed")
        default: self.answer(error.status, Self.message(error.status))
        }
    }

    /// A request that the guard did not let in.
    package func answer(_ refusal: RequestRefusal) -> Answer {
        // Whoever says 405 has to say what is allowed (RFC 9110 §15.5.6): all methods but TRACE and CONNECT.
        let allow = ("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
        return self.answer(
            refusal.status,
            Self.message(refusal.status),
            refusal == .methodNotAllowed ? [allow] : []
        )
    }

    /// Any status with its text; only what is written here ends up in the answer.
    package func answer(
        _ status: Int,
        _ message: String,
        _ fields: [(String, String)] = [],
        wayOn: Page.Link? = nil,
        hint: String? = nil
    ) -> Answer {
        switch self.form {
        case .grpc(let keepsStatus):
            return GRPCStatus.answer(status, message, fields, keepsStatus: keepsStatus)
        case .page:
            var page = Page(title: message, paragraphs: [hint].compactMap { $0 }, link: wayOn)
            page.facts = self.language.text("Status {} · request {}", String(status), self.requestID)
            return page.answer(status: status, in: self.language, self.theme, more: fields)
        case .json: return self.json(status, message, fields)
        }
    }

    /// Kong's JSON, with more members of ours.
    private func json(
        _ status: Int,
        _ message: String,
        _ fields: [(String, String)],
        _ more: [(String, String)] = []
    ) -> Answer {
        let common = fields + [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
        let members = [("message", message), ("request_id", self.requestID)] + more
        let lines = members.map { "  \"\($0.0)\":\(JSONText.quoted($0.1))" }
        return Answer(
            status: status,
            contentType: "application/json; charset=utf-8",
            fields: common,
            text: "{\n\(lines.joined(separator: ",\n"))\n}"
        )
    }

    /// Kong's words for a status.
    package static func message(_ status: Int) -> String {
        switch status {
        case 400: "Bad request"
        case 404: "Not found"
        case 405: "Method not allowed"
        case 408: "Request timeout"
        case 413: "Payload too large"
        case 414: "URI too long"
        case 417: "Expectation failed"
        case 431: "Request header or cookie too large"
        case 501: "Not implemented"
        case 502: "An invalid response was received from the upstream server"
        case 503: "The upstream server is currently unavailable"
        case 504: "The upstream server is timing out"
        case 505: "HTTP version not supported"
        default: "An unexpected error occurred"
        }
    }
}
