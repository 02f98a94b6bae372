// Why an address cannot be listened on, for people.

import Glibc
import NIOCore

/// An address that could not be bound, and why.
package struct ListenError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The address as it was asked for.
    package let address: ListenAddress
    /// The system's number for the reason; 0 where it gave none.
    package let code: CInt

    /// Takes the reason out of what binding threw.
    init(_ address: ListenAddress, _ error: any Error) {
        self.address = address
        self.code = (error as? IOError)?.errnoCode ?? 0
    }

    package var description: String {
        let place = self.address.host.contains(":") ? "[\(self.address.host)]" : self.address.host
        return "\(place):\(self.address.port): \(self.reason)"
    }

    private var reason: String {
        switch self.code {
        case EADDRINUSE: "another program listens there"
        case EADDRNOTAVAIL: "this machine has no such address"
        case EACCES: "this user may not listen there"
        case 0: "no address has this name"
        default: "cannot be listened on (errno \(self.code))"
        }
    }
}
