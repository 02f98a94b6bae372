// The request that Envoy tells of by its attributes.
import Cryptography
import EnvoyAPI
import Gateway
import Proxy

extension OriginalRequest {
    /// Puts the original request together; refuses what does not name one request (security rows P1, P3, P5).
    ///
    /// - Parameters:
    ///   - gateway: who asks.
    ///   - trusted: whose word about a client is believed.
    ///   - limits: the listeners' own.
    init(
        _ attributes: EnvoyAttributeContext,
        by gateway: ClientFacts,
        trusted: [AddressRange],
        limits: ProxyLimits
    ) throws(Refusal) {
        guard attributes.hasRequest, attributes.request.hasHTTP else { throw Self.untold }
        let http = attributes.request.http
        // The target has its query, and a fragment is never sent.
        guard http.query.isEmpty, http.fragment.isEmpty else { throw Self.conflict }
        guard !http.method.isEmpty, !http.path.isEmpty, !http.host.isEmpty else {
            throw Self.malformed("method, path and host have to be told")
        }
        guard Self.isSettled(Array(http.path)) else { throw Self.unsettled }
        let fields = try ToldFields(http, limits)
        let scheme = try fields.scheme(or: http.scheme, gateway)
        var pieces = RequestPieces(method: http.method, scheme: scheme, authority: http.host, path: http.path)
        for field in fields.own { pieces.append(field.name, field.value) }
        do throws(RequestRefusal) {
            head = try pieces.head(limits: limits)
        } catch {
            throw Self.malformed(error.reason)
        }
        client = .told(
            by: gateway,
            source: try Self.source(attributes.source),
            forwardedFor: fields.values(of: "x-forwarded-for"),
            scheme: scheme,
            port: head.port ?? scheme.defaultPort,
            certificate: try Self.certificate(attributes.source),
            trusted: trusted
        )
    }

    /// Who was connected to Envoy; nil where that is no address of IP.
    private static func source(_ peer: EnvoyPeer) throws(Refusal) -> IPAddress? {
        let text = peer.address.socketAddress.address
        guard !text.isEmpty else { return nil }
        guard let address = IPAddress(text) else { throw malformed("the source's address") }
        return address
    }

    /// What the client has shown in its handshake with Envoy, which has proven that it holds the key.
    private static func certificate(_ peer: EnvoyPeer) throws(Refusal) -> ClientCertificate? {
        guard !peer.certificate.isEmpty else { return nil }
        guard let der = WrittenCertificate.certificate(Array(peer.certificate), .percentEncodedPEM) else {
            throw malformed("the source's certificate")
        }
        return ClientCertificate(der: der)
    }
}

/// The fields of the original request, in whichever of two ways Envoy tells them.
private struct ToldFields {
    struct Field {
        /// In lower case.
        let name: [UInt8]
        let value: [UInt8]
    }

    private let all: [Field]

    init(_ http: EnvoyHttpRequest, _ limits: ProxyLimits) throws(Refusal) {
        let (merged, raw) = (http.headers, http.headerMap.headers)
        guard merged.isEmpty || raw.isEmpty else { throw OriginalRequest.conflict }
        // Four of them are pseudo-fields.
        guard max(merged.count, raw.count) <= limits.fields + 8 else {
            throw OriginalRequest.malformed("too many fields")
        }
        var fields: [Field] = []
        for pair in merged {
            fields.append(Field(name: pair.key.map(Self.lowercased), value: Array(pair.value)))
        }
        // A map has each name once.
        guard Set(fields.map(\.name)).count == fields.count else { throw OriginalRequest.conflict }
        for one in raw {
            guard one.value.isEmpty || one.rawValue.isEmpty || one.value == one.rawValue else {
                throw OriginalRequest.conflict
            }
            let value = one.rawValue.isEmpty ? one.value : one.rawValue
            fields.append(Field(name: one.key.map(Self.lowercased), value: Array(value)))
        }
        all = fields
        try checkPseudo(http)
    }

    /// What is told of the request's line has to be the same, wherever it is told (security row P5).
    private func checkPseudo(_ http: EnvoyHttpRequest) throws(Refusal) {
        for (name, value) in [
            (":method", Array(http.method)), (":path", Array(http.path)), (":scheme", Array(http.scheme)),
            (":authority", Array(http.host)), ("host", Array(http.host)),
        ] {
            let told = all.filter { $0.name.elementsEqual(name.utf8) }
            guard told.count <= 1, told.allSatisfy({ $0.value == value }) else {
                throw OriginalRequest.conflict
            }
        }
        let known: Set = [":method", ":path", ":scheme", ":authority"]
        for field in all where field.name.first == UInt8(ascii: ":") {
            guard known.contains(String(decoding: field.name, as: UTF8.self)) else {
                throw OriginalRequest.malformed("a pseudo-field")
            }
        }
    }

    /// Those that are part of the request: not those that tell of it, or belong to a hop.
    var own: [Field] {
        all.filter {
            $0.name.first != UInt8(ascii: ":") && !OriginalRequest.told.contains(spelled: $0.name)
        }
    }

    func values(of name: String) -> [String] {
        all.filter { $0.name.elementsEqual(name.utf8) }.map { String(decoding: $0.value, as: UTF8.self) }
    }

    /// The client's scheme: what Envoy says in `X-Forwarded-Proto`, as at the other doors, or else the attribute, which a
    /// client of HTTP/2 chooses.
    func scheme(
        or attribute: some Sequence<UInt8>,
        _ gateway: ClientFacts
    ) throws(Refusal) -> ClientFacts.Scheme {
        let told = values(of: "x-forwarded-proto")
        let text = told.first ?? String(decoding: Array(attribute), as: UTF8.self)
        guard told.count <= 1 else { throw OriginalRequest.conflict }
        if text.isEmpty, told.isEmpty { return gateway.scheme }
        guard let scheme = ClientFacts.scheme(text) else { throw OriginalRequest.conflict }
        return scheme
    }

    private static func lowercased(_ octet: UInt8) -> UInt8 {
        octet >= UInt8(ascii: "A") && octet <= UInt8(ascii: "Z") ? octet | 0x20 : octet
    }
}
