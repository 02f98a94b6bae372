// What a refusal is called in gRPC.
import Proxy

/// Codes of gRPC for statuses of HTTP; Kong's table.
package enum GRPCStatus {
    /// The code for a status.
    package static func code(_ status: Int) -> Int {
        switch status {
        case 200: 0
        case 400, 413, 414, 431: 3  // INVALID_ARGUMENT
        case 401: 16  // UNAUTHENTICATED
        case 403: 7  // PERMISSION_DENIED
        case 404: 5  // NOT_FOUND
        case 409: 6  // ALREADY_EXISTS
        case 405, 415, 426, 501: 12  // UNIMPLEMENTED
        case 408, 504: 4  // DEADLINE_EXCEEDED
        case 429: 8  // RESOURCE_EXHAUSTED
        case 499: 1  // CANCELLED
        case 500: 13  // INTERNAL
        case 502, 503: 14  // UNAVAILABLE
        default: 2  // UNKNOWN
        }
    }

    /// An answer without messages whose head is its trailers too ("Trailers-Only"): clients read it from a 200 alone.
    ///
    /// - Parameter keepsStatus: whether it goes out under its own status, for whoever reads that.
    static func answer(
        _ status: Int,
        _ message: String,
        _ fields: [(String, String)],
        keepsStatus: Bool = false
    ) -> Answer {
        var answer = Self.answer(code: Self.code(status), message)
        answer.fields += fields
        if keepsStatus { answer.status = status }
        return answer
    }

    /// The same, by gRPC's own code.
    static func answer(code: Int, _ message: String) -> Answer {
        Answer(
            status: 200,
            fields: [
                ("Content-Type", "application/grpc"), ("grpc-status", String(code)),
                ("grpc-message", Self.encoded(message)),
            ]
        )
    }

    /// Percent-encodes what is not printable ASCII, and `%`.
    static func encoded(_ message: String) -> String {
        var text = ""
        for octet in message.utf8 {
            if octet >= 0x20, octet < 0x7F, octet != 0x25 {
                text.unicodeScalars.append(Unicode.Scalar(octet))
            } else {
                let digits = String(octet, radix: 16, uppercase: true)
                text += octet < 16 ? "%0\(digits)" : "%\(digits)"
            }
        }
        return text
    }
}
