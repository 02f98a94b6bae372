// What clients speak once a handshake is done.

import NIOCore

/// The protocols that a handshake may agree on (RFC 7301), the best first.
enum ClientProtocol: String, CaseIterable {
    case http2 = "h2"
    case http1 = "http/1.1"

    /// What was agreed on; a client that named nothing speaks HTTP/1.1.
    init(agreed name: String?) { self = name.flatMap { Self(rawValue: $0) } ?? .http1 }

    /// Adds what speaks it to the end of a channel's pipeline: the one place where a protocol becomes a handler.
    func install(_ arrival: Arrival, on channel: any Channel, worker: Worker) throws {
        switch self {
        case .http1:
            try channel.pipeline.syncOperations.addHandler(ServerConnection(worker: worker, arrival))
        case .http2: try HTTP2Connection.install(on: channel, worker: worker, arrival)
        }
    }
}
