// The calls of gRPC that the program answers: Envoy's authorization, and health.
package import Gateway
package import Proxy

/// The methods of the listener for calls.
package enum OwnCalls {
    /// All of them, for the pipeline.
    ///
    /// - Parameters:
    ///   - trustedPeers: who may ask for a verdict, and whose word about a client is believed.
    ///   - readiness: whether the program takes traffic.
    package static func all(
        _ services: AccessServices,
        trustedPeers: [AddressRange],
        readiness: Readiness
    ) -> [OwnPath] {
        let health = HealthCall(services: [CheckCall.service], readiness: readiness)
        return [
            CheckCall(services: services, trustedPeers: trustedPeers).own, health.check, health.watch,
        ]
    }
}
