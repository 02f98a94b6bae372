// Facts of a session in fields: for the upstream, for the client.
import Gateway
import JSON
import Proxy

/// Which facts of a session others are told (`session_request_headers`, `session_response_headers`).
struct SessionFields: Sendable, Equatable {
    /// One fact; its field is `Session-` and its name.
    enum Fact: String, Sendable, CaseIterable {
        case id, audience, subject, timeout
        case idlingTimeout = "idling-timeout"
        case rollingTimeout = "rolling-timeout"
        case absoluteTimeout = "absolute-timeout"

        var field: FieldName? { FieldName("session-\(rawValue)") }
    }

    let request: [Fact]
    let response: [Fact]

    /// Reads the settings; other words are refused before.
    init(_ settings: Settings) {
        request = (settings.strings("session_request_headers") ?? []).compactMap { Fact(rawValue: $0) }
        response = (settings.strings("session_response_headers") ?? []).compactMap { Fact(rawValue: $0) }
    }

    var isEmpty: Bool { request.isEmpty && response.isEmpty }

    /// The fields that the upstream may get: a client's own copies are dropped everywhere (security row H1).
    var emitted: [FieldName] { request.compactMap(\.field) }
}

extension SessionLimits {
    /// What a field says of a session; nil for a limit that there is not.
    ///
    /// Timeouts are the seconds that are left.
    func text(_ fact: SessionFields.Fact, of session: Session, audience: String, at now: Double) -> String? {
        func left(_ limit: Double, since start: Double) -> String? {
            limit > 0 ? String(Int64(max(0, start + limit - now))) : nil
        }
        return switch fact {
        case .id: session.id
        case .audience: audience
        case .subject: session.subject
        case .timeout: String(Int64(max(0, end(of: session) - now)))
        case .idlingTimeout: left(idling, since: session.usedAt)
        case .rollingTimeout: left(rolling, since: session.renewedAt)
        case .absoluteTimeout: left(absolute, since: session.createdAt)
        }
    }
}

extension OpenIDConnect {
    /// Tells the upstream and the client what they are to know of the session.
    func tell(of session: Session, _ passage: Passage) throws(Refusal) {
        let fields = settings.sessionFields
        guard !fields.isEmpty else { return }
        do {
            for fact in fields.request {
                if let (name, text) = try line(fact, session, passage) {
                    try passage.upstream.set(name, text)
                }
            }
            for fact in fields.response {
                if let (name, text) = try line(fact, session, passage) { try passage.answer.set(name, text) }
            }
        } catch {
            throw .unsafeField
        }
    }

    private func line(
        _ fact: SessionFields.Fact,
        _ session: Session,
        _ passage: Passage
    ) throws -> (FieldName, String)? {
        let limits = sessionCookies.limits
        let audience = settings.session.audience
        guard let name = fact.field,
            let text = limits.text(fact, of: session, audience: audience, at: passage.now),
            let value = try ClaimText.field(.string(text))
        else { return nil }
        return (name, value)
    }
}
