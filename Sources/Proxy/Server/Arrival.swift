// How a client came to its connection, before it said anything that is the connection's own.

import NIOCore

/// What is known of a connection before its protocol begins.
struct Arrival {
    /// Whether a handshake is done already.
    var isTLS = false
    /// The name that the handshake asked for, as `ClientHello` reads it.
    var serverName: String?
    /// Whether the client may speak HTTP/2.
    var takesHTTP2 = false
    /// Whether the listener is for calls to the program itself.
    var isForCalls = false
    /// Whether the channel was active before, so that nobody will say so again.
    var isLate = false
    /// The client's address, where a balancer told it.
    var peer: IPAddress?
    /// Whether the handshake asked for a certificate.
    var wasAsked = false
    /// What the client has shown then.
    var certificate: ClientCertificate?
}

extension ListenAddress {
    /// Adds what a new connection to the address meets first.
    func install(on channel: any Channel, worker: Worker) throws {
        guard self.takesProxyHeader else {
            let arrival = Arrival(takesHTTP2: self.takesHTTP2, isForCalls: self.isForCalls)
            return try self.install(arrival, on: channel, worker: worker)
        }
        try channel.pipeline.syncOperations.addHandler(HeaderDoor(worker: worker, address: self))
    }

    /// Adds what follows once it is known who the client is.
    func install(_ arrival: Arrival, on channel: any Channel, worker: Worker) throws {
        let pipeline = channel.pipeline.syncOperations
        if self.isTLS { return try pipeline.addHandler(TLSDoor(worker: worker, arrival)) }
        try pipeline.addHandler(ServerConnection(worker: worker, arrival))
    }
}
