// Asks the system for a name's addresses.
import CNames

/// Why the system has no address for a name.
package struct NameLookupError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The system's words.
    package let description: String
    /// Whether somebody knows that there is nothing, and not only that nobody answers.
    package let isDefinite: Bool

    init(description: String, isDefinite: Bool = false) {
        (self.description, self.isDefinite) = (description, isDefinite)
    }
}

/// The system's resolver: files, DNS, and whatever else it is set up with.
package enum NameLookup {
    /// The addresses of `name` in the system's order, each in 16 octets; an IPv4 address is mapped into IPv6.
    ///
    /// Waits, for many seconds if no server answers: nothing for an event loop.
    package static func addresses(of name: String) throws(NameLookupError) -> [[UInt8]] {
        var octets = [UInt8](repeating: 0, count: 16 * Int(NAMES_MAXIMUM))
        let count = unsafe octets.withUnsafeMutableBufferPointer { buffer in
            unsafe names_look_up(name, buffer.baseAddress)
        }
        guard count >= 0 else {
            let reason = unsafe names_reason(count).map { unsafe String(cString: $0) }
            throw NameLookupError(description: reason ?? "error \(count)")
        }
        var addresses: [[UInt8]] = []
        for index in 0..<Int(count) {
            let address = Array(octets[(16 * index)..<(16 * index + 16)])
            if !addresses.contains(address) { addresses.append(address) }
        }
        return addresses
    }
}
