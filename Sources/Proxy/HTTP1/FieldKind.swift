// What the proxy does with a field, told from its name once while parsing.

/// Fields that the proxy itself reads, writes or removes; everything else is `.other`.
enum FieldKind: UInt8, Sendable {
    case other
    // Framing and routing of this hop.
    case host, contentLength, transferEncoding, expect
    // Hop by hop: never passed on (RFC 9110 §7.6.1; X11, X12).
    case connection, keepAlive, proxyConnection, te, trailer, upgrade, proxyAuthorization, proxyAuthenticate
    // Counted down here.
    case maxForwards
    // Written by us about the client; believed from trusted peers only (P1).
    case xForwardedFor, xForwardedProto, xForwardedHost, xForwardedPort, xForwardedPath, xForwardedPrefix
    // Believed from trusted peers only, else dropped (P1).
    case hearsay
    // One of the above with `_` or `.` for `-`: a backend may take it for the real one, so it ends here (H1).
    case misspelt

    /// Whether fields of this kind end at this hop.
    @inline(__always)
    var isHopByHop: Bool {
        self.rawValue >= Self.connection.rawValue && self.rawValue <= Self.proxyAuthenticate.rawValue
    }

    /// Whether fields of this kind say something of the client that only a trusted peer may say.
    @inline(__always)
    var isHearsay: Bool {
        self.rawValue >= Self.xForwardedFor.rawValue && self.rawValue <= Self.hearsay.rawValue
    }

    /// Names by kind; compared folded (H1).
    private static let names: [(String, FieldKind)] = [
        ("host", .host), ("content-length", .contentLength), ("transfer-encoding", .transferEncoding),
        ("expect", .expect), ("connection", .connection), ("keep-alive", .keepAlive),
        ("proxy-connection", .proxyConnection), ("te", .te), ("trailer", .trailer), ("upgrade", .upgrade),
        ("http2-settings", .upgrade),
        ("proxy-authorization", .proxyAuthorization), ("proxy-authenticate", .proxyAuthenticate),
        ("max-forwards", .maxForwards), ("x-forwarded-for", .xForwardedFor),
        ("x-forwarded-proto", .xForwardedProto), ("x-forwarded-host", .xForwardedHost),
        ("x-forwarded-port", .xForwardedPort), ("x-forwarded-path", .xForwardedPath),
        ("x-forwarded-prefix", .xForwardedPrefix), ("x-forwarded-uri", .hearsay),
        ("x-forwarded-method", .hearsay), ("x-forwarded-scheme", .hearsay), ("x-forwarded-server", .hearsay),
        ("x-forwarded-ssl", .hearsay), ("x-forwarded-protocol", .hearsay), ("forwarded", .hearsay),
        ("x-original-url", .hearsay), ("x-original-uri", .hearsay), ("x-original-method", .hearsay),
        ("x-original-host", .hearsay), ("x-original-for", .hearsay), ("x-original-proto", .hearsay),
        ("x-rewrite-url", .hearsay), ("x-real-ip", .hearsay), ("x-request-id", .hearsay),
        ("x-client-ip", .hearsay), ("x-cluster-client-ip", .hearsay), ("true-client-ip", .hearsay),
        ("x-envoy-original-path", .hearsay), ("x-envoy-external-address", .hearsay),
    ]

    /// Names by length, so that one look tells that a name is none of ours.
    private static let byLength: [[(octets: [UInt8], kind: FieldKind)]] = {
        var table: [[(octets: [UInt8], kind: FieldKind)]] = Array(repeating: [], count: 32)
        for (name, kind) in Self.names { table[name.utf8.count].append((Array(name.utf8), kind)) }
        return table
    }()

    /// One bit for each first letter that a name of that length has.
    private static let firstLetters: [UInt32] = Self.byLength.map { names in
        names.reduce(0) { $0 | 1 << UInt32($1.octets[0] & 31) }
    }

    /// Tells the kind of the name that stands in `range` of `bytes`.
    init(_ bytes: [UInt8], _ range: Range<Int>) {
        self = .other
        guard range.count < 32, !range.isEmpty else { return }
        let first = Octet.lowercased(bytes[range.lowerBound])
        guard Self.firstLetters[range.count] & (1 << UInt32(first & 31)) != 0 else { return }
        for (octets, kind) in Self.byLength[range.count] where octets[0] == first {
            if bytes.matches(range, folded: octets) {
                self = bytes.matches(range, lowercased: octets) ? kind : .misspelt
                return
            }
        }
    }
}
