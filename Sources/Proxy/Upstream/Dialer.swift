// How a connection to an endpoint comes about: over TCP, or as a test wants it.

import NIOCore
import NIOPosix

/// Opens connections for the pools of a worker.
struct Dialer {
    /// Opens a channel to an endpoint within a time, with what speaks on it.
    let dial: (Endpoint, any UpstreamSpeaker, TimeAmount) -> EventLoopFuture<any Channel>

    /// Opens TCP connections on `loop`.
    ///
    /// - Parameters:
    ///   - names: has the addresses of names; the system is asked for each connection without it.
    ///   - services: has the places of services.
    static func overTCP(
        on loop: any EventLoop,
        names: NameTable<IPAddress>? = nil,
        services: NameTable<ServicePlace>? = nil
    ) -> Dialer {
        Dialer { endpoint, speaker, limit in
            guard !endpoint.isService else {
                return Self.dial(endpoint, speaker, limit, on: loop, names, services)
            }
            let bound = NIOLoopBound(speaker, eventLoop: loop)
            let bootstrap = ClientBootstrap(group: loop)
                .connectTimeout(limit)
                .channelOption(.socketOption(.tcp_nodelay), value: 1)
                .channelOption(.maxMessagesPerRead, value: 2)
            if let tls = endpoint.tls {
                return UpstreamHandshake.dial(
                    endpoint,
                    tls,
                    speaker,
                    within: limit,
                    on: loop,
                    connect: { Self.connect(bootstrap.channelInitializer($0), to: endpoint, names) }
                )
            }
            return Self.connect(
                bootstrap.channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try bound.value.install(on: channel)
                    }
                },
                to: endpoint,
                names
            )
        }
    }

    /// Connects to a service before it is known where that is: once there is an answer, to the first of its places.
    private static func dial(
        _ endpoint: Endpoint,
        _ speaker: any UpstreamSpeaker,
        _ limit: TimeAmount,
        on loop: any EventLoop,
        _ names: NameTable<IPAddress>?,
        _ services: NameTable<ServicePlace>?
    ) -> EventLoopFuture<any Channel> {
        let answer = loop.makePromise(of: [ServicePlace].self)
        let alarm = loop.scheduleTask(in: limit) { answer.fail(ProxyError.connectTimedOut) }
        services?.places(of: endpoint.host, at: .now()).cascade(to: answer)
        if services == nil { answer.succeed([]) }
        return answer.futureResult.assumeIsolated().flatMap { places in
            alarm.cancel()
            guard let place = places.min(by: { $0.priority < $1.priority }) else {
                return loop.makeFailedFuture(ProxyError.nameNotResolved)
            }
            let plain = Self.overTCP(on: loop, names: names)
            return plain.dial(endpoint.at(place, isNamed: true), speaker, limit)
        }.nonisolated()
    }

    /// Connects to an endpoint's address, or to one that its name has.
    private static func connect(
        _ bootstrap: ClientBootstrap,
        to endpoint: Endpoint,
        _ names: NameTable<IPAddress>?
    ) -> EventLoopFuture<any Channel> {
        if let address = try? SocketAddress(ipAddress: endpoint.host, port: endpoint.port) {
            return bootstrap.connect(to: address)
        }
        guard let names else { return bootstrap.connect(host: endpoint.host, port: endpoint.port) }
        return
            bootstrap
            .resolver(FoundAddresses(found: names.places(of: endpoint.host, at: .now())))
            .connect(host: endpoint.host, port: endpoint.port)
    }
}
