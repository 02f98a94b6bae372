// Why a request does not pass.

/// What a plugin throws to refuse; only `ErrorAnswer` turns it into an answer.
package enum Refusal: Error, Sendable, Equatable {
    /// No credential, or a bad one: 401.
    case unauthenticated(Cause)
    /// Known, and not allowed: 403.
    case forbidden(Cause)
    /// Nothing there: 404.
    case notFound(Cause)
    /// The request itself is wrong: 400.
    case malformed(Cause)
    /// Not this method here: 405, with the methods that are.
    case methodNotAllowed([String])
    /// With a status of the configuration's choice, such as 429 for a rate; the cause has the message.
    case chosen(status: Int, retryAfterSeconds: Int?, Cause)
    /// A dependency that the verdict needs is down: 503.
    case unavailable(retryAfterSeconds: Int, Cause)
    /// The gateway itself failed: 500. Nothing passes.
    case failed(Cause)

    /// Why, in the words for each listener.
    package struct Cause: Sendable, Equatable {
        /// The stable kebab-case word for logs, metrics and documents.
        package var reason: String
        /// What the client reads; nil is the status's own text.
        package var message: String?
        /// The `WWW-Authenticate` values.
        package var challenges: [String]
        /// More for the log; never a secret.
        package var detail: String?
        /// Whether the client may read the reason and the detail too (`display_errors`).
        package var isDisplayed: Bool
        /// A sentence more for a person, on a page.
        package var hint: String?
        /// Where a person who reads this goes on; checked before.
        package var wayOn: Page.Link?
        /// Where a page is to lead its user for a login; the path of it, for clients that read JSON.
        package var loginURL: String?
        /// Where a browser that navigates is sent instead, where the answer would be 401 or 403.
        package var redirect: String?
        /// Where a browser is sent instead where the refusal is a failure (5xx).
        package var failureRedirect: String?

        /// Describes a cause.
        package init(
            _ reason: String,
            message: String? = nil,
            challenges: [String] = [],
            detail: String? = nil,
            isDisplayed: Bool = false
        ) {
            self.reason = reason
            self.message = message
            self.challenges = challenges
            self.detail = detail
            self.isDisplayed = isDisplayed
        }
    }

    /// Its cause.
    package var cause: Cause {
        switch self {
        case .unauthenticated(let cause), .forbidden(let cause), .notFound(let cause), .malformed(let cause),
            .chosen(_, _, let cause), .unavailable(_, let cause), .failed(let cause):
            cause
        case .methodNotAllowed: Cause("method-not-allowed")
        }
    }

    /// The status of its answer.
    package var status: Int {
        switch self {
        case .unauthenticated: 401
        case .forbidden: 403
        case .notFound: 404
        case .malformed: 400
        case .methodNotAllowed: 405
        case .chosen(let status, _, _): status
        case .unavailable: 503
        case .failed: 500
        }
    }

    /// The text for the client when the cause has none: Kong's.
    package var message: String {
        if let message = self.cause.message { return message }
        switch self {
        case .unauthenticated: return "Unauthorized"
        case .forbidden: return "Forbidden"
        case .notFound: return "Not found"
        case .malformed: return "Bad request"
        case .methodNotAllowed: return "Method not allowed"
        case .chosen(let status, _, _): return ErrorAnswer.message(status)
        case .unavailable: return "The service is temporarily unavailable"
        case .failed: return "An unexpected error occurred"
        }
    }

    /// The word for logs and metrics.
    package var reason: String { self.cause.reason }

    /// The refusal with a way on for a person, unless it has one.
    package func offering(_ link: Page.Link) -> Refusal {
        var cause = self.cause
        if cause.wayOn == nil { cause.wayOn = link }
        return self.with(cause)
    }

    /// The refusal with another cause.
    package func with(_ cause: Cause) -> Refusal {
        switch self {
        case .unauthenticated: return .unauthenticated(cause)
        case .forbidden: return .forbidden(cause)
        case .notFound: return .notFound(cause)
        case .malformed: return .malformed(cause)
        case .methodNotAllowed: return self
        case .chosen(let status, let seconds, _):
            return .chosen(status: status, retryAfterSeconds: seconds, cause)
        case .unavailable(let seconds, _): return .unavailable(retryAfterSeconds: seconds, cause)
        case .failed: return .failed(cause)
        }
    }
}

extension Refusal {
    /// The connection's handshake asked for other things than the host of the request wants: 421 (RFC 9110 §15.5.20).
    static let misdirected = Refusal.chosen(
        status: 421,
        retryAfterSeconds: nil,
        Cause("misdirected-request", message: "Misdirected Request")
    )
}
