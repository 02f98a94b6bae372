// A server: workers, each with its listening sockets and its handler.

import NIOCore
import NIOPosix

/// Listens, carries exchanges, and drains.
package final class ProxyServer: Sendable {
    private let settings: ServerSettings

    /// Makes a server that does not listen yet.
    package init(_ settings: ServerSettings) {
        self.settings = settings
    }
}
