// Where exchanges get what carries them to one endpoint.

import NIOCore
import NIOPosix

/// The connections of one event loop to one endpoint, whatever protocol they speak.
class UpstreamPool {
    final let endpoint: Endpoint
    final unowned let worker: Worker

    init(endpoint: Endpoint, worker: Worker) {
        self.endpoint = endpoint
        self.worker = worker
    }

    /// Gets `client` a link, now or later; `fresh` if one that has been used will not do.
    func lease(_ request: PoolState.RequestID, for client: ClientStream, fresh: Bool) {}

    /// A waiting request has left.
    func forget(_ request: PoolState.RequestID) {}

    /// Its upstream is no longer in the configuration: idle connections close now, busy ones when they are free.
    func retire() {}

    /// These addresses are the endpoint's no longer: connections to them close, busy ones when they are free.
    func leave(_ gone: Set<IPAddress>) {}

    /// What a failed attempt to connect is called.
    static func proxyError(_ error: any Error) -> ProxyError {
        switch error {
        case let known as ProxyError: return known
        case let channelError as ChannelError:
            if case .connectTimeout = channelError { return .connectTimedOut }
            return .connectFailed
        case let connection as NIOConnectionError:
            if connection.connectionErrors.contains(where: { Self.proxyError($0.error) == .connectTimedOut })
            {
                return .connectTimedOut
            }
            return connection.connectionErrors.isEmpty ? .nameNotResolved : .connectFailed
        default: return .connectFailed
        }
    }
}

extension ChannelHandlerContext {
    /// Whether the other end has one of these addresses.
    func leads(to addresses: Set<IPAddress>) -> Bool {
        let text = self.channel.remoteAddress?.ipAddress
        return text.flatMap { IPAddress($0) }.map(addresses.contains) ?? false
    }
}

/// What speaks to an upstream on a channel.
protocol UpstreamSpeaker: AnyObject {
    /// Adds it to the end of a new channel's pipeline.
    func install(on channel: any Channel) throws
}

/// What a worker watches over on the upstream's side.
protocol WatchedUpstream: AnyObject {
    /// Where the worker keeps it.
    var place: Int? { get set }
    /// When something must have happened.
    var deadline: NIODeadline { get }
    /// The deadline has passed.
    func timeIsUp()
    /// Closes without a word to anyone.
    func abort()
}
