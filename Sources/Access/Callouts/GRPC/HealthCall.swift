// grpc.health.v1.Health/Check: whether the program takes traffic.
import EnvoyAPI
import Gateway
import Proxy
import SwiftProtobuf

/// Answers whoever asks; nothing is decided here.
struct HealthCall: Sendable {
    /// Names of services besides the whole, which has none.
    let services: Set<String>
    let isReady: @Sendable () -> Bool

    /// Octets of a question.
    private static let maximumBytes = 4096

    var own: OwnPath {
        OwnPath(path: "/grpc.health.v1.Health/Check", methods: [.post]) { _ throws(Refusal) in
            .read(
                Reading(upTo: Self.maximumBytes) { _, read throws(Refusal) in
                    guard case .whole(let body) = read else {
                        throw .chosen(status: 429, retryAfterSeconds: nil, Self.tooLarge)
                    }
                    return .answer(try answer(body))
                }
            )
        }
    }

    private static let tooLarge = Refusal.Cause("call-too-large", message: "The message is too large")

    private func answer(_ body: [UInt8]) throws(Refusal) -> Answer {
        let message: [UInt8]
        do throws(GRPCMessage.Fault) {
            message = Array(try GRPCMessage.only(in: body))
        } catch {
            return GRPCMessage.answer(error)
        }
        guard let asked = try? GRPCHealthCheckRequest(serializedBytes: message) else {
            throw .failed(.init("malformed-call", message: "The message cannot be read"))
        }
        guard asked.service.isEmpty || services.contains(asked.service) else {
            throw .notFound(.init("unknown-call", message: "Unknown service"))
        }
        var said = GRPCHealthCheckResponse()
        said.status = isReady() ? .serving : .notServing
        guard let octets: [UInt8] = try? said.serializedBytes() else {
            throw .failed(.init("unsendable-verdict"))
        }
        return GRPCMessage.answer(octets)
    }
}
