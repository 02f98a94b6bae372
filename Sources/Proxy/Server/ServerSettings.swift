// What a proxy server is made from.

package import NIOCore

/// An address to listen on.
package struct ListenAddress: Sendable, Equatable {
    /// An IP address or host name.
    package var host: String
    /// The port; 0 lets the system choose.
    package var port: Int
    /// Connections that may wait to be accepted; the system may allow fewer.
    package var backlog = 1024
    /// Whether clients may speak HTTP/2 here, besides HTTP/1.1.
    package var takesHTTP2 = false

    /// Whether clients speak TLS here.
    package var isTLS = false
    /// Whether each connection begins with the PROXY protocol's header.
    package var takesProxyHeader = false
    /// Whether calls to the program itself come here, instead of requests for upstreams.
    package var isForCalls = false

    /// Names an address.
    package init(
        host: String,
        port: Int,
        backlog: Int? = nil,
        takesHTTP2: Bool = false,
        isTLS: Bool = false,
        takesProxyHeader: Bool = false,
        isForCalls: Bool = false
    ) {
        self.host = host
        self.port = port
        self.isTLS = isTLS
        self.takesProxyHeader = takesProxyHeader
        self.takesHTTP2 = takesHTTP2
        self.isForCalls = isForCalls
        if let backlog { self.backlog = backlog }
    }
}

/// Settings of a proxy server.
package struct ServerSettings: Sendable {
    /// Where to listen.
    package var listen: [ListenAddress]
    /// Event loops, each with its own listening socket; 0 is one a core.
    package var workers: Int
    /// Limits of clients.
    package var limits: ProxyLimits
    /// Peers whose word about a client is believed; none by default (P1).
    package var trustedPeers: [AddressRange]
    /// Today's certificates; asked for in each handshake.
    package var certificates: @Sendable () -> CertificateTable
    /// Has the addresses of upstreams' names; nil asks the system for each connection.
    package var names: NameSource<IPAddress>?
    /// Has the places of services that upstreams are; without it none is found.
    package var services: NameSource<ServicePlace>?
    /// Hears what an operator should know of; called from any worker, rarely.
    package var notice: @Sendable (String) -> Void
    /// The name in `Via`.
    package var viaName: String
    /// Makes the handler of a worker, on its event loop.
    package var makeHandler: @Sendable (_ worker: Int, _ eventLoop: any EventLoop) -> any ExchangeHandler

    /// Settings with the defaults.
    package init(
        listen: [ListenAddress],
        workers: Int = 0,
        limits: ProxyLimits = ProxyLimits(),
        trustedPeers: [AddressRange] = [],
        viaName: String = "gatehouse",
        certificates: @escaping @Sendable () -> CertificateTable = { CertificateTable() },
        names: NameSource<IPAddress>? = nil,
        services: NameSource<ServicePlace>? = nil,
        notice: @escaping @Sendable (String) -> Void = { _ in },
        makeHandler: @escaping @Sendable (_ worker: Int, _ eventLoop: any EventLoop) -> any ExchangeHandler
    ) {
        self.listen = listen
        self.workers = workers
        self.limits = limits
        self.trustedPeers = trustedPeers
        self.viaName = viaName
        self.certificates = certificates
        self.names = names
        self.services = services
        self.notice = notice
        self.makeHandler = makeHandler
    }
}
