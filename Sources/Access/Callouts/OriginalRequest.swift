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
    /// - Parameter places: the fields that are read; the others are passed over.
    init(_ passage: Passage, from places: [FieldName]) throws(Refusal) {
        let request = passage.request
        guard let own = RedirectTarget.Origin(passage) else { throw Self.conflict }
        var targets: Set<[UInt8]> = []
        var origin = own
        for name in places where request.count(of: name) > 0 {
            guard request.count(of: name) == 1, let text = request.string(of: name) else {
                throw Self.conflict
            }
            if text.hasPrefix("/") {
                targets.insert(Array(text.utf8))
            } else {
                guard let named = RedirectTarget.origin(of: text) else { throw Self.conflict }
                if request.count(of: .xForwardedHost) > 0, named.host != own.host { throw Self.conflict }
                if request.count(of: .xForwardedProto) > 0, named.scheme != own.scheme { throw Self.conflict }
                origin = named
                targets.insert(Array(RedirectTarget.tail(of: text).utf8))
            }
        }
        guard let target = targets.first else { throw .forbidden(.init("no-original-request")) }
        guard targets.count == 1 else { throw Self.conflict }
        let method = try Self.method(request)
        do throws(RequestRefusal) {
            head = try RequestHead.parse(Self.bytes(method, target, origin, request))
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
