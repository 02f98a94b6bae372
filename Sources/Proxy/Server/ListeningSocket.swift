// Listening sockets that pass from one program to another.

import Glibc
import NIOCore
import NIOPosix

/// A bound, listening socket with whatever waits in its queue.
package struct ListeningSocket: Sendable, Equatable {
    /// The IP address and port that it is bound to: `127.0.0.1:8000`, `[::]:8000`.
    package let name: String
    /// Its number in this program; whoever has this value closes it or hands it to a server.
    package let descriptor: CInt

    /// Names a socket.
    package init(name: String, descriptor: CInt) {
        self.name = name
        self.descriptor = descriptor
    }

    /// A copy of a channel's socket, which outlives the channel; nil if the channel has closed.
    static func copy(of channel: any Channel) async -> ListeningSocket? {
        try? await channel.eventLoop.submit { () -> ListeningSocket? in
            guard channel.isActive, let name = channel.localAddress?.listenName else { return nil }
            let copied = try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(
                of: NIOBSDSocket.Handle.self
            ) { dup($0) }
            guard let copied, copied >= 0 else { return nil }
            return ListeningSocket(name: name, descriptor: copied)
        }.get()
    }
}

extension SocketAddress {
    /// The address as a listening socket is named.
    var listenName: String? {
        guard let address = self.ipAddress, let port = self.port else { return nil }
        return address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
}
