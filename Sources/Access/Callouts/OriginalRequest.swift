// The request that another gateway asks about, put together from what it tells.
import Gateway
import Proxy

/// Reads the original request from a callout of nginx: `X-Original-*`, `X-Forwarded-*` (security row P1).
struct OriginalRequest {
    /// The request as the other gateway received it.
    let head: RequestHead
    /// Who sent it.
    let client: ClientFacts

    /// Fields that tell of the original request; they are not part of it.
    private static let told: FieldNameSet = [
        .xOriginalURL, .xOriginalURI, .xForwardedURI, .xRewriteURL, .xOriginalMethod, .xForwardedMethod,
        .xForwardedFor, .xForwardedHost, .xForwardedPort, .xForwardedProto, .forwarded, .host, .contentLength,
        .transferEncoding, .connection, .expect, "x-forwarded-prefix", "x-forwarded-path", "x-real-ip", "te",
        "upgrade",
        "keep-alive", "trailer", "proxy-connection",
    ].reduce(into: FieldNameSet()) { $0.insert($1) }

    /// Where the original target may stand.
    static let places: [FieldName] = [.xOriginalURL, .xOriginalURI, .xForwardedURI, .xRewriteURL]

    /// Puts the original request together; refuses what does not name one request.
    ///
    /// - Parameters:
    ///   - places: the fields that are read; the others are passed over.
    ///   - limits: the listener's own.
    init(_ passage: Passage, from places: [FieldName], limits: ProxyLimits) throws(Refusal) {
        let request = passage.request
        let named = try Self.named(passage, places)
        guard let (origin, target) = named else { throw .forbidden(.init("no-original-request")) }
        let method = try Self.method(request)
        do throws(RequestRefusal) {
            head = try RequestHead.parse(Self.bytes(method, target, origin, request), limits: limits)
        } catch {
            throw .forbidden(.init("malformed-original-request", detail: error.reason))
        }
        let scheme = ClientFacts.Scheme(rawValue: origin.scheme) ?? passage.client.scheme
        client = ClientFacts(
            peer: passage.client.peer,
            isTrustedPeer: true,
            address: passage.client.address,
            scheme: scheme,
            port: origin.port.flatMap { UInt16(exactly: $0) } ?? scheme.defaultPort
        )
    }

    private static var conflict: Refusal { .forbidden(.init("conflicting-original-request")) }

    /// The one request that the fields name; nil if they name none.
    ///
    /// A bare path is a path on the host that the other gateway told, so a URL beside it has to name that host too.
    private static func named(
        _ passage: Passage,
        _ places: [FieldName]
    ) throws(Refusal) -> (origin: RedirectTarget.Origin, target: [UInt8])? {
        let request = passage.request
        guard let own = RedirectTarget.Origin(passage), Self.isPlainlyTold(passage) else { throw conflict }
        var found: (origin: RedirectTarget.Origin, target: [UInt8])?
        for text in places.flatMap({ request.fields.strings(of: $0) }) {
            var one = (origin: own, target: Array(text.utf8))
            if !text.hasPrefix("/") {
                guard let origin = RedirectTarget.origin(of: text) else { throw conflict }
                if request.count(of: .xForwardedHost) > 0, origin.host != own.host { throw conflict }
                if request.count(of: .xForwardedProto) > 0, origin.scheme != own.scheme { throw conflict }
                one = (origin, Array(RedirectTarget.tail(of: text).utf8))
            }
            if let found, found != one { throw conflict }
            found = one
        }
        return found
    }

    /// Whether host and scheme are told once at most, and the host can be read.
    private static func isPlainlyTold(_ passage: Passage) -> Bool {
        let request = passage.request
        guard request.count(of: .xForwardedHost) <= 1, request.count(of: .xForwardedProto) <= 1 else {
            return false
        }
        return request.count(of: .xForwardedHost) == 0 || passage.client.forwardedHost != nil
    }

    /// The original method; GET when nobody tells.
    private static func method(_ request: RequestHead) throws(Refusal) -> String {
        var methods: Set<String> = []
        for name in [FieldName.xOriginalMethod, .xForwardedMethod] where request.count(of: name) > 0 {
            guard request.count(of: name) == 1, let text = request.string(of: name) else { throw conflict }
            methods.insert(text)
        }
        guard methods.count <= 1 else { throw conflict }
        return methods.first ?? "GET"
    }

    /// The head as it would have stood on the wire; the guard reads it like any other.
    private static func bytes(
        _ method: String,
        _ target: [UInt8],
        _ origin: RedirectTarget.Origin,
        _ request: RequestHead
    ) -> [UInt8] {
        var bytes = Array("\(method) ".utf8) + target
        let authority = origin.port.map { "\(origin.host):\($0)" } ?? origin.host
        bytes.append(contentsOf: " HTTP/1.1\r\nHost: \(authority)\r\n".utf8)
        request.forEach { field in
            let name = request.fields.name(field)
            guard let known = FieldName(name), !told.contains(known) else { return }
            bytes.append(contentsOf: name.utf8)
            bytes.append(contentsOf: ": ".utf8)
            bytes.append(contentsOf: request.fields.value(field))
            bytes.append(contentsOf: "\r\n".utf8)
        }
        bytes.append(contentsOf: "\r\n".utf8)
        return bytes
    }
}
