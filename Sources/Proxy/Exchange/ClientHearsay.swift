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

    /// The right-most `X-Forwarded-For` entry that is not trusted.
    private func rightmostStranger(_ fields: FieldTable, trusted: [AddressRange]) -> IPAddress {
        guard fields.kinds.contains(.xForwardedFor) else { return self.peer }
        let values = fields.ranges.lazy.reversed().filter { $0.kind == .xForwardedFor }
        return Self.rightmostStranger(values.map { fields.string($0) }, behind: self.peer, trusted: trusted)
    }

    /// The right-most entry that is not trusted; an entry that is no address ends the search.
    ///
    /// - Parameters:
    ///   - values: of `X-Forwarded-For`, the last one first.
    ///   - peer: whoever sent them, and is trusted.
    private static func rightmostStranger(
        _ values: some Sequence<String>,
        behind peer: IPAddress,
        trusted: [AddressRange]
    ) -> IPAddress {
        var nearest = peer
        for value in values {
            for entry in value.split(separator: ",").reversed() {
                guard let address = Self.address(entry) else { return nearest }
                nearest = address
                guard trusted.contains(where: { $0.contains(address) }) else { return address }
            }
        }
        return nearest
    }

    /// Facts of a client that a trusted gateway tells of, as they would be if the client had come here.
    ///
    /// - Parameters:
    ///   - source: whoever was connected to the gateway; nil where it does not tell, so that the gateway stands for him.
    ///   - forwardedFor: the values of `X-Forwarded-For`, in order; believed if the source is trusted too.
    ///   - certificate: what the source has shown in its handshake with the gateway.
    package static func told(
        by gateway: ClientFacts,
        source: IPAddress?,
        forwardedFor: [String],
        scheme: Scheme,
        port: UInt16,
        certificate: ClientCertificate?,
        trusted: [AddressRange]
    ) -> ClientFacts {
        let peer = source ?? gateway.peer
        let isTrusted = source.map { address in trusted.contains { $0.contains(address) } } ?? true
        let nearest =
            isTrusted ? Self.rightmostStranger(forwardedFor.reversed(), behind: peer, trusted: trusted) : peer
        return ClientFacts(
            peer: peer,
            isTrustedPeer: isTrusted,
            address: nearest,
            scheme: scheme,
            port: port,
            certificate: certificate
        )
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
