// What went wrong after a request was let in.

/// A failure on the way to an upstream or back; says what, whose fault, and whether another try is allowed.
package enum ProxyError: Error, Sendable, Equatable {
    /// The upstream's name does not resolve.
    case nameNotResolved
    /// The upstream refused or reset the attempt to connect.
    case connectFailed
    /// The upstream did not accept the connection in time.
    case connectTimedOut
    /// None of the upstream's targets may be used.
    case noTarget
    /// The upstream's certificate is none that we believe, or is out of date.
    case tlsUntrusted
    /// The upstream's certificate is another name's.
    case tlsWrongName
    /// The handshake with the upstream failed otherwise.
    case tlsFailed
    /// All connections of the endpoint are busy and the queue is full.
    case overloaded
    /// The upstream closed before any octet of an answer.
    case closedBeforeAnswer
    /// The upstream said that it has not looked at the request (RFC 9113 §8.7).
    case notProcessed
    /// The upstream closed within its answer.
    case closedWithinAnswer
    /// The upstream did not answer in time.
    case answerTimedOut
    /// The upstream did not take the request in time.
    case writeTimedOut
    /// The upstream's answer breaks RFC 9112, or its head is too large.
    case malformedAnswer
    /// The upstream switched protocols though nobody asked.
    case unexpectedUpgrade
    /// The handler's own work did not end in time.
    case decisionTimedOut
    /// What let a stream or tunnel in has ended: a token, a session.
    case identityEnded
    /// The client went away.
    case clientGone

    /// Whose fault a failure is.
    package enum Fault: Sendable { case downstream, upstream, ours }

    /// When the same request may be sent once more.
    package enum RetryVerdict: Sendable { case never, ifNothingWasSent, ifConnectionWasReused }

    /// Whose fault it is.
    package var fault: Fault {
        switch self {
        case .clientGone, .identityEnded: .downstream
        case .decisionTimedOut, .overloaded: .ours
        case .nameNotResolved, .connectFailed, .connectTimedOut, .closedBeforeAnswer, .notProcessed,
            .closedWithinAnswer, .answerTimedOut, .writeTimedOut, .malformedAnswer, .unexpectedUpgrade,
            .tlsUntrusted, .tlsWrongName, .tlsFailed, .noTarget:
            .upstream
        }
    }

    /// Whether another try is allowed (X17).
    package var retry: RetryVerdict {
        switch self {
        case .nameNotResolved, .connectFailed, .notProcessed, .tlsFailed: .ifNothingWasSent
        case .closedBeforeAnswer: .ifConnectionWasReused
        case .connectTimedOut, .overloaded, .closedWithinAnswer, .answerTimedOut, .writeTimedOut,
            .malformedAnswer, .unexpectedUpgrade, .decisionTimedOut, .identityEnded, .clientGone,
            .tlsUntrusted, .tlsWrongName, .noTarget:
            .never
        }
    }

    /// Whether it is known that no upstream has seen anything of the request.
    package var isBeforeSending: Bool {
        switch self {
        case .nameNotResolved, .connectFailed, .connectTimedOut, .noTarget, .tlsUntrusted, .tlsWrongName,
            .tlsFailed, .overloaded, .notProcessed, .decisionTimedOut:
            true
        case .closedBeforeAnswer, .closedWithinAnswer, .answerTimedOut, .writeTimedOut, .malformedAnswer,
            .unexpectedUpgrade, .identityEnded, .clientGone:
            false
        }
    }

    /// The status that tells the client: 502, 503 or 504 (499 stands in logs for a client that left).
    package var status: Int {
        switch self {
        case .nameNotResolved, .overloaded, .decisionTimedOut, .noTarget: 503
        case .connectTimedOut, .answerTimedOut, .writeTimedOut: 504
        case .connectFailed, .closedBeforeAnswer, .notProcessed, .closedWithinAnswer, .malformedAnswer,
            .unexpectedUpgrade, .tlsUntrusted, .tlsWrongName, .tlsFailed:
            502
        case .identityEnded: 401
        case .clientGone: 499
        }
    }

    /// A stable word for logs and metrics.
    package var reason: String {
        switch self {
        case .nameNotResolved: "upstream-name-not-resolved"
        case .connectFailed: "upstream-connect-failed"
        case .connectTimedOut: "upstream-connect-timed-out"
        case .noTarget: "upstream-no-target"
        case .tlsUntrusted: "upstream-tls-untrusted"
        case .tlsWrongName: "upstream-tls-wrong-name"
        case .tlsFailed: "upstream-tls-failed"
        case .overloaded: "upstream-overloaded"
        case .closedBeforeAnswer: "upstream-closed-before-answer"
        case .notProcessed: "upstream-refused-stream"
        case .closedWithinAnswer: "upstream-closed-within-answer"
        case .answerTimedOut: "upstream-answer-timed-out"
        case .writeTimedOut: "upstream-write-timed-out"
        case .malformedAnswer: "upstream-answer-malformed"
        case .unexpectedUpgrade: "upstream-unexpected-upgrade"
        case .decisionTimedOut: "decision-timed-out"
        case .identityEnded: "identity-ended"
        case .clientGone: "client-gone"
        }
    }
}
