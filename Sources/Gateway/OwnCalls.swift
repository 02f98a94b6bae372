// Calls of gRPC to the program itself, on a listener where there is nothing else.
import Proxy

/// Finds the method that a call is for, exactly as it is written.
struct OwnCalls: Sendable {
    private let methods: [[UInt8]: OwnPath]

    init(_ paths: [OwnPath]) {
        self.methods = Dictionary(uniqueKeysWithValues: paths.map { (Array($0.path.utf8), $0) })
    }

    /// Answers a call; what is none, or is for nobody, is told so in gRPC's words.
    func serve(_ passage: Passage) throws(Refusal) -> Step {
        let request = passage.request
        guard passage.client.isHTTP2 else {
            passage.reason = "http2-required"
            let upgrade = [("Upgrade", "HTTP/2")]
            return .answer(ErrorAnswer(passage).answer(426, "Please use HTTP2 protocol", upgrade))
        }
        guard passage.isGRPC else {
            throw .chosen(
                status: 415,
                retryAfterSeconds: nil,
                .init("grpc-required", message: "Not a call of gRPC")
            )
        }
        guard let own = self.methods[Array(request.target)] else {
            throw .chosen(
                status: 501,
                retryAfterSeconds: nil,
                .init("unknown-call", message: "Unknown method")
            )
        }
        guard request.method == .post else { throw .methodNotAllowed(["POST"]) }
        return try own.serve(passage)
    }
}
