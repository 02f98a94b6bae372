// What a client gets that does not speak what its route asks for.
import Proxy

/// What a route's `protocols` ask of a request, where they do not let all pass; answers are Kong's.
package enum ProtocolDemand: Sendable {
    /// https and nothing else.
    case https
    /// gRPC; `secure` where `grpcs` stands alone.
    case grpc(secure: Bool)

    /// Reads a route's protocols; nil where every request may pass.
    init?(_ protocols: Set<String>) {
        if protocols == ["https"] {
            self = .https
        } else if !protocols.isEmpty, protocols.isSubset(of: ["grpc", "grpcs"]) {
            self = .grpc(secure: !protocols.contains("grpc"))
        } else {
            return nil
        }
    }

    /// The answer for a request that does not meet the demand, with the word for the log; nil if it does.
    func answer(_ passage: Passage, _ route: Route) -> (Answer, reason: String)? {
        let client = passage.client
        switch self {
        case .https:
            guard client.scheme == .http else { return nil }
            return (Self.redirect(passage, route), reason: "https-required")
        case .grpc(let secure):
            let answers = ErrorAnswer(passage)
            guard client.isHTTP2 || passage.door != .proxy else {
                let fields = [("Upgrade", "HTTP/2")]
                return (answers.answer(426, "Please use HTTP2 protocol", fields), reason: "http2-required")
            }
            guard passage.isGRPC else {
                return (answers.answer(415, "Non-gRPC request matched gRPC route"), reason: "grpc-required")
            }
            guard !secure || client.scheme == .https else {
                return (answers.answer(426, "gRPC request matched gRPCs route"), reason: "https-required")
            }
            return nil
        }
    }

    /// A redirect to the same place, or 426 as Kong.
    private static func redirect(_ passage: Passage, _ route: Route) -> Answer {
        guard route.httpsRedirectStatus != 426 else {
            return ErrorAnswer(passage).answer(
                426,
                "Please use HTTPS protocol",
                [("Upgrade", "TLS/1.2, HTTP/1.1")]
            )
        }
        let request = passage.request
        let target = String(decoding: request.pathAndQuery, as: UTF8.self)
        return .redirect(to: "https://\(request.hostText)\(target)", status: route.httpsRedirectStatus)
    }
}
