// How a connection to an endpoint comes about: over TCP, or as a test wants it.

import NIOCore
import NIOPosix

/// Opens connections for the pools of a worker.
struct Dialer {
    /// Opens a channel to an endpoint within a time, with what speaks on it.
    let dial: (Endpoint, any UpstreamSpeaker, TimeAmount) -> EventLoopFuture<any Channel>

    /// Opens TCP connections on `loop`.
    ///
    /// - Parameter names: has the addresses of names; the system is asked for each connection without it.
    static func overTCP(on loop: any EventLoop, names: NameTable? = nil) -> Dialer {
        Dialer { endpoint, speaker, limit in
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

    /// Connects to an endpoint's address, or to one that its name has.
    private static func connect(
        _ bootstrap: ClientBootstrap,
        to endpoint: Endpoint,
        _ names: NameTable?
    ) -> EventLoopFuture<any Channel> {
        if let address = try? SocketAddress(ipAddress: endpoint.host, port: endpoint.port) {
            return bootstrap.connect(to: address)
        }
        guard let names else { return bootstrap.connect(host: endpoint.host, port: endpoint.port) }
        return
            bootstrap
            .resolver(FoundAddresses(found: names.addresses(of: endpoint.host, at: .now())))
            .connect(host: endpoint.host, port: endpoint.port)
    }
}
