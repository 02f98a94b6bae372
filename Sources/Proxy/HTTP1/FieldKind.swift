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
    static let table = FieldKindTable(Self.names)

    /// Tells the kind of the name that stands in `range` of `bytes`.
    init(_ bytes: [UInt8], _ range: Range<Int>) { self = Self.table.kind(bytes.span, range) }
}

/// The names that the proxy knows, laid out so that a name that is none of them costs one look.
final class FieldKindTable: Sendable {
    /// Where the candidates of a length and a first letter begin; where the next begin, they end.
    private let starts: [UInt8]
    private let candidates: [(start: Int, kind: FieldKind)]
    private let octets: [UInt8]

    /// Names are shorter than this.
    private static let lengths = 32

    /// Lays out `names`, which are in lower case.
    init(_ names: [(String, FieldKind)]) {
        let sorted = names.map { (octets: Array($0.0.utf8), kind: $0.1) }
            .sorted { Self.place($0.octets.count, $0.octets[0]) < Self.place($1.octets.count, $1.octets[0]) }
        precondition(sorted.count < 256, "places of candidates fit an octet")
        var starts = [UInt8](repeating: 0, count: Self.lengths * 32 + 1)
        var candidates: [(start: Int, kind: FieldKind)] = []
        var octets: [UInt8] = []
        for name in sorted {
            let place = Self.place(name.octets.count, name.octets[0])
            for later in (place + 1)..<starts.count { starts[later] += 1 }
            candidates.append((octets.count, name.kind))
            octets.append(contentsOf: name.octets)
        }
        (self.starts, self.candidates, self.octets) = (starts, candidates, octets)
    }

    @inline(__always)
    private static func place(_ count: Int, _ first: UInt8) -> Int { count &* 32 &+ Int(first & 31) }

    /// Tells the kind of the name that stands in `range` of `bytes`; differently spelled ones are `.misspelt` (H1).
    @inline(__always)
    func kind(_ bytes: Span<UInt8>, _ range: Range<Int>) -> FieldKind {
        guard range.count < Self.lengths, !range.isEmpty else { return .other }
        let place = Self.place(range.count, bytes[range.lowerBound])
        let (start, end) = (self.starts[place], self.starts[place &+ 1])
        guard start < end else { return .other }
        return self.search(bytes, range, Int(start)..<Int(end))
    }

    private func search(_ bytes: Span<UInt8>, _ range: Range<Int>, _ places: Range<Int>) -> FieldKind {
        for place in places {
            let (start, kind) = self.candidates[place]
            var offset = 0
            while offset < range.count,
                Octet.lowercased(bytes[range.lowerBound &+ offset]) == self.octets[start &+ offset]
            {
                offset &+= 1
            }
            guard offset < range.count else { return kind }
            while offset < range.count,
                Octet.folded(bytes[range.lowerBound &+ offset]) == self.octets[start &+ offset]
            {
                offset &+= 1
            }
            guard offset < range.count else { return .misspelt }
        }
        return .other
    }
}

/// Kinds of fields, as bits.
struct FieldKindSet: Sendable, Equatable {
    private var bits: UInt32 = 0

    /// No kinds.
    init() {}

    /// So many kinds.
    init(_ kinds: [FieldKind]) {
        for kind in kinds { self.insert(kind) }
    }

    @inline(__always)
    mutating func insert(_ kind: FieldKind) { self.bits |= 1 &<< UInt32(kind.rawValue) }

    @inline(__always)
    mutating func formUnion(_ other: FieldKindSet) { self.bits |= other.bits }

    @inline(__always)
    func contains(_ kind: FieldKind) -> Bool { self.bits & (1 &<< UInt32(kind.rawValue)) != 0 }

    @inline(__always)
    func containsAny(of other: FieldKindSet) -> Bool { self.bits & other.bits != 0 }
}
