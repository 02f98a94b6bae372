// What trusted peers tell of a client, and what strangers do not (P1).

extension ClientFacts {
    /// Takes the word of a trusted peer.
    mutating func hear(_ fields: FieldTable, trusted: [AddressRange]) {
        for field in fields.ranges {
            switch field.kind {
            case .xForwardedProto:
                self.scheme = Self.scheme(fields.string(field)) ?? self.scheme
            case .xForwardedHost: self.forwardedHost = Self.authority(fields.string(field))
            case .xForwardedPort: self.port = UInt16(fields.string(field)) ?? self.port
            case .xForwardedFor, .host, .contentLength, .transferEncoding, .expect, .connection, .keepAlive,
                .proxyConnection, .te, .trailer, .upgrade, .proxyAuthorization, .proxyAuthenticate,
                .maxForwards,
                .xForwardedPath, .xForwardedPrefix, .hearsay, .misspelt, .other:
                continue
            }
        }
        self.address = self.rightmostStranger(fields, trusted: trusted)
    }

    /// The scheme that `X-Forwarded-Proto` names; some proxies say `wss` of a handshake of WebSocket.
    package static func scheme(_ text: String) -> Scheme? {
        switch text.lowercased() {
        case "https", "wss": .https
        case "http", "ws": .http
        default: nil
        }
    }

    /// Notes that a stranger claims another scheme than the connection's, so that the operator can be told.
    mutating func noticeStranger(_ fields: borrowing FieldTable) {
        self.strangerDisagreed = false
        guard fields.kinds.contains(.xForwardedProto) else { return }
        for field in fields.ranges where field.kind == .xForwardedProto {
            self.strangerDisagreed = fields.string(field).lowercased() != self.scheme.rawValue
        }
    }

    /// The right-most `X-Forwarded-For` entry that is not trusted; an entry that is no address ends the search.
    private func rightmostStranger(_ fields: FieldTable, trusted: [AddressRange]) -> IPAddress {
        var nearest = self.peer
        for field in fields.ranges.reversed() where field.kind == .xForwardedFor {
            for entry in fields.string(field).split(separator: ",").reversed() {
                guard let address = Self.address(entry) else { return nearest }
                nearest = address
                guard trusted.contains(where: { $0.contains(address) }) else { return address }
            }
        }
        return nearest
    }

    /// Reads an entry: an address, perhaps with brackets or a port.
    private static func address(_ entry: Substring) -> IPAddress? {
        let text = entry.drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" }
        if text.first == "[" { return IPAddress(text.dropFirst().prefix { $0 != "]" }) }
        return IPAddress(text) ?? IPAddress(text.prefix { $0 != ":" })
    }

    /// An authority that reads as one, in lower case; nil if it does not.
    private static func authority(_ text: String) -> String? {
        let octets = Array(text.utf8)
        guard !octets.isEmpty, Authority.read(octets, 0..<octets.count) != nil else { return nil }
        return text.lowercased()
    }
}
