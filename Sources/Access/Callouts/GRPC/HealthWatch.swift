// A call that is told of the program's health for as long as it lasts.
import EnvoyAPI
import Gateway
import Proxy

/// Says what is now, and each change; the drain ends it, so that it holds nothing up.
///
/// A service that nobody knows is a message here, and no failure of the call, as gRPC's health protocol has it.
final class HealthWatch: AnswerFeed {
    private let readiness: Readiness
    private let client: ClientFacts
    private let isKnown: Bool

    init(_ readiness: Readiness, by client: ClientFacts, isKnown: Bool) {
        (self.readiness, self.client, self.isKnown) = (readiness, client, isKnown)
    }

    func begin(_ tell: @escaping Teller) {
        if !self.isKnown { tell(Self.frame(.serviceUnknown), nil) }
        self.readiness.watch(self, by: self.client) { [isKnown] state in
            let octets = isKnown ? Self.frame(state == .serving ? .serving : .notServing) : []
            if state == .draining {
                tell(octets, Self.unavailable)
            } else if isKnown {
                tell(octets, nil)
            }
        }
    }

    func end() { self.readiness.leave(self) }

    /// Whoever reads it asks again, elsewhere.
    private static let unavailable = [("grpc-status", "14"), ("grpc-message", "the program drains")]

    private static func frame(_ status: GRPCHealthCheckResponse.ServingStatus) -> [UInt8] {
        // An enumeration can always be written.
        (try? HealthCall.message(status)).map(GRPCMessage.frame) ?? []
    }
}
