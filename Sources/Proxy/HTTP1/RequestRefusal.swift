// Why a request is not let in at all.

/// What the request guard refuses, before any rule is asked.
package enum RequestRefusal: Error, Sendable, Equatable {
    /// Something is not as RFC 9112 and RFC 9110 demand; 400.
    case malformed(MalformedPart)
    /// The request line is over its limit; 414.
    case targetTooLong
    /// The head is over its limit of octets or fields; 431.
    case headTooLarge
    /// The body is over its limit; 413.
    case bodyTooLarge
    /// The head or the body did not come in time; 408.
    case timedOut
    /// TRACE or CONNECT (X14); 405.
    case methodNotAllowed
    /// A transfer coding other than chunked (X6); 501.
    case unknownTransferCoding
    /// An expectation other than 100-continue; 417.
    case unknownExpectation
    /// A version other than 1.0 or 1.1; 505.
    case unsupportedVersion

    /// The status of the answer.
    package var status: Int {
        switch self {
        case .malformed: 400
        case .targetTooLong: 414
        case .headTooLarge: 431
        case .bodyTooLarge: 413
        case .timedOut: 408
        case .methodNotAllowed: 405
        case .unknownTransferCoding: 501
        case .unknownExpectation: 417
        case .unsupportedVersion: 505
        }
    }

    /// A stable word for logs and metrics.
    package var reason: String {
        switch self {
        case .malformed(let part): "malformed-\(part.rawValue)"
        case .targetTooLong: "target-too-long"
        case .headTooLarge: "head-too-large"
        case .bodyTooLarge: "body-too-large"
        case .timedOut: "request-timed-out"
        case .methodNotAllowed: "method-not-allowed"
        case .unknownTransferCoding: "unknown-transfer-coding"
        case .unknownExpectation: "unknown-expectation"
        case .unsupportedVersion: "unsupported-version"
        }
    }
}

/// Which part of a request is malformed.
package enum MalformedPart: String, Sendable, Equatable {
    case requestLine = "request-line"
    case target
    case path
    case host
    case fieldName = "field-name"
    case fieldValue = "field-value"
    case lineEnd = "line-end"
    case obsoleteFold = "obsolete-fold"
    case contentLength = "content-length"
    case transferEncoding = "transfer-encoding"
    case lengthAndCoding = "length-and-coding"
    case chunk
    case connection
}
