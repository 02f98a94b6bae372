// Answers the status listener: is the process up, is it ready, what has it counted.
import Gateway
import JSON
import NIOCore
import Proxy

/// The status listener's handler.
final class StatusHandler: ExchangeHandler {
    private let readiness: Readiness
    private let metrics: @Sendable () async -> String

    /// - Parameter metrics: the counters in Prometheus' text form.
    init(readiness: Readiness, metrics: @escaping @Sendable () async -> String) {
        self.readiness = readiness
        self.metrics = metrics
    }

    func began(_ exchange: Exchange) {
        guard exchange.request.method == .get || exchange.request.method == .head else {
            return exchange.answer(StatusHandler.json(405, ["message": "only GET and HEAD"]))
        }
        switch exchange.request.pathText {
        case "/status":
            exchange.answer(StatusHandler.json(200, ["message": "up", "version": .string(Version.current)]))
        case "/status/ready":
            let isReady = self.readiness.isReady
            exchange.answer(
                StatusHandler.json(isReady ? 200 : 503, ["message": isReady ? "ready" : "not ready"])
            )
        case "/metrics":
            exchange.wait(for: self.metrics) { text in
                exchange.answer(
                    Answer(status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8", text: text)
                )
            }
        default:
            exchange.answer(
                StatusHandler.json(404, ["message": "there are /status, /status/ready and /metrics"])
            )
        }
    }

    func failed(_ exchange: Exchange, _ error: ProxyError) -> Answer {
        StatusHandler.json(error.status, ["message": .string(error.reason)])
    }

    func refused(_ exchange: Exchange, _ refusal: RequestRefusal) -> Answer {
        StatusHandler.json(refusal.status, ["message": .string(refusal.reason)])
    }

    private static func json(_ status: Int, _ object: [String: JSONValue]) -> Answer {
        Answer(
            status: status,
            fields: [("Content-Type", "application/json")],
            body: JSONValue.object(object).serialized()
        )
    }
}
