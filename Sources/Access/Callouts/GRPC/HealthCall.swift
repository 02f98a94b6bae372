// grpc.health.v1.Health: whether the program takes traffic, once (Check) and from now on (Watch).
import EnvoyAPI
import Gateway
import Proxy
import SwiftProtobuf

/// Answers whoever asks; nothing is decided here.
struct HealthCall: Sendable {
    /// Names of services besides the whole, which has none.
    let services: Set<String>
    let readiness: Readiness

    /// Octets of a question.
    private static let maximumBytes = 4096

    var check: OwnPath {
        Self.method("Check") { asked, _ throws(Refusal) in
            guard knows(asked) else {
                throw .notFound(.init("unknown-call", message: "Unknown service"))
            }
            let octets = try Self.message(readiness.isReady ? .serving : .notServing)
            return GRPCMessage.answer(octets)
        }
    }

    var watch: OwnPath {
        Self.method("Watch") { asked, client throws(Refusal) in
            guard readiness.hasRoom(for: client) else {
                throw .chosen(
                    status: 429,
                    retryAfterSeconds: nil,
                    .init("too-many-watches", message: "Too many calls watch already")
                )
            }
            return GRPCMessage.answer(HealthWatch(readiness, by: client, isKnown: knows(asked)))
        }
    }

    private func knows(_ service: String) -> Bool { service.isEmpty || self.services.contains(service) }

    /// A method that takes the name of a service.
    private static func method(
        _ name: String,
        _ answer: @escaping @Sendable (_ service: String, ClientFacts) throws(Refusal) -> Answer
    ) -> OwnPath {
        OwnPath(path: "/grpc.health.v1.Health/\(name)", methods: [.post]) { _ throws(Refusal) in
            .read(
                Reading(upTo: Self.maximumBytes) { passage, read throws(Refusal) in
                    guard case .whole(let body) = read else {
                        throw .chosen(status: 429, retryAfterSeconds: nil, Self.tooLarge)
                    }
                    let message: [UInt8]
                    do throws(GRPCMessage.Fault) {
                        message = Array(try GRPCMessage.only(in: body))
                    } catch {
                        return .answer(GRPCMessage.answer(error))
                    }
                    guard let asked = try? GRPCHealthCheckRequest(serializedBytes: message) else {
                        throw .failed(.init("malformed-call", message: "The message cannot be read"))
                    }
                    return .answer(try answer(asked.service, passage.client))
                }
            )
        }
    }

    private static let tooLarge = Refusal.Cause("call-too-large", message: "The message is too large")

    /// What is said of a service.
    static func message(_ status: GRPCHealthCheckResponse.ServingStatus) throws(Refusal) -> [UInt8] {
        var said = GRPCHealthCheckResponse()
        said.status = status
        guard let octets: [UInt8] = try? said.serializedBytes() else {
            throw .failed(.init("unsendable-verdict"))
        }
        return octets
    }
}
