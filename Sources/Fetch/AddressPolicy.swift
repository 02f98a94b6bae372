// Which addresses may be dialled.
import Glibc

/// What an IP address is to us.
package enum AddressKind: Sendable, Equatable {
    /// This machine.
    case loopback
    /// Link-local, a cloud's metadata service, unspecified, multicast or broadcast: nothing that serves us.
    case refused
    /// Any other.
    case ordinary

    /// Reads the text of an IPv4 or IPv6 address; nil for a name.
    package init?(literal text: String) {
        var v4 = [UInt8](repeating: 0, count: 4)
        var v6 = [UInt8](repeating: 0, count: 16)
        let withoutZone = text.split(separator: "%", maxSplits: 1).first.map { String($0) } ?? text
        if unsafe v4.withUnsafeMutableBytes({ unsafe inet_pton(AF_INET, text, $0.baseAddress) }) == 1 {
            self.init(v4: v4)
        } else if unsafe v6.withUnsafeMutableBytes({
            unsafe inet_pton(AF_INET6, withoutZone, $0.baseAddress)
        }) == 1 {
            self.init(v6: v6)
        } else {
            return nil
        }
    }

    /// The kind of the four bytes of an IPv4 address (RFC 6890; 169.254.0.0/16 holds most metadata services).
    package init(v4 bytes: [UInt8]) {
        switch (bytes[0], bytes[1], bytes[2], bytes[3]) {
        case (127, _, _, _): self = .loopback
        case (0, _, _, _), (169, 254, _, _), (224...255, _, _, _): self = .refused
        case (100, 100, 100, 200), (168, 63, 129, 16), (192, 0, 0, 192): self = .refused
        default: self = .ordinary
        }
    }

    /// The kind of the sixteen bytes of an IPv6 address; one that carries an IPv4 address is judged by that.
    package init(v6 bytes: [UInt8]) {
        let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
        let translated: [UInt8] = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]
        let unspecified = [UInt8](repeating: 0, count: 16)
        let metadata: [UInt8] = [0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54]
        if Array(bytes[..<12]) == mapped || Array(bytes[..<12]) == translated {
            self.init(v4: Array(bytes[12...]))
        } else if bytes[..<15] == unspecified[..<15] && bytes[15] == 1 {
            self = .loopback
        } else if bytes == unspecified || bytes == metadata || bytes[0] == 0xff
            || (bytes[0] == 0xfe && bytes[1] & 0xc0 == 0x80)
        {
            self = .refused
        } else {
            self = .ordinary
        }
    }
}

/// Which addresses one transfer may dial, decided when its socket is opened: after the name was resolved.
struct AddressPolicy: Sendable {
    /// Whether only this machine may be dialled: plain http under the default policy.
    let loopbackOnly: Bool
    /// Whether link-local and metadata addresses are allowed, because the configuration names the host.
    let allowsRefused: Bool

    func allows(_ kind: AddressKind) -> Bool {
        switch kind {
        case .loopback: true
        case .ordinary: !self.loopbackOnly
        case .refused: self.allowsRefused && !self.loopbackOnly
        }
    }
}
