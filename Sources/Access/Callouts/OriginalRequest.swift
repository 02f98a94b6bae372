// The request that another gateway asks about, put together from what it tells.
import Gateway
import Proxy

/// The original request of a callout (security row P1).
struct OriginalRequest {
    /// How a gateway tells of a request.
    enum Telling: Sendable {
        /// In fields of the callout: `X-Original-*`, `X-Forwarded-*`.
        case fields
        /// The callout is the request itself, with this before its target.
        case itself(behind: [UInt8])
    }

    /// The request as the other gateway received it.
    let head: RequestHead
    /// Who sent it.
    let client: ClientFacts

    /// Fields that tell of the original request, or belong to this hop; they are not part of it.
    static let told = FieldNameSet(toldNames)
    private static let toldNames: [FieldName] = [
        .xOriginalURL, .xOriginalURI, .xForwardedURI, .xRewriteURL, .xOriginalMethod, .xForwardedMethod,
        .xForwardedFor, .xForwardedHost, .xForwardedPort, .xForwardedProto, .forwarded, .host, .contentLength,
        .transferEncoding, .connection, .expect, "x-forwarded-prefix", "x-forwarded-path", "x-real-ip", "te",
        "upgrade", "http2-settings", "keep-alive", "trailer", "proxy-connection",
    ]

    /// Where the original target may stand.
    static let places: [FieldName] = [.xOriginalURL, .xOriginalURI, .xForwardedURI, .xRewriteURL]

    /// Puts the original request together; refuses what does not name one request.
    ///
    /// - Parameters:
    ///   - places: the fields that are read; the others are passed over.
    ///   - limits: the listener's own.
    init(
        _ passage: Passage,
        _ telling: Telling,
        from places: [FieldName],
        limits: ProxyLimits
    ) throws(Refusal) {
        let request = passage.request
        guard Self.isSchemePlain(request) else { throw Self.conflict }
        switch telling {
        case .fields:
            guard let (origin, target) = try Self.named(passage, places) else {
                throw Self.untold
            }
            let method = try Self.method(request)
            let authority = origin.port.map { "\(origin.host):\($0)" } ?? origin.host
            let line = Line(
                method: Array(method.utf8)[...],
                target: target[...],
                authority: Array(authority.utf8)[...]
            )
            let scheme = ClientFacts.Scheme(rawValue: origin.scheme) ?? passage.client.scheme
            try self.init(passage, line, scheme, port: origin.port, limits)
        case .itself(let prefix):
            guard request.target.starts(with: prefix) else { throw Self.malformed("target") }
            let line = Line(
                method: request.methodOctets,
                target: request.target.dropFirst(prefix.count),
                authority: request.authority
            )
            try self.init(passage, line, passage.client.scheme, port: request.port.map { Int($0) }, limits)
        }
    }

    /// What stands in a request's first line, and whom it is for.
    private struct Line {
        let method: ArraySlice<UInt8>
        let target: ArraySlice<UInt8>
        let authority: ArraySlice<UInt8>
    }

    /// Writes the request as it stood on the wire, and lets the guard read it like any other.
    private init(
        _ passage: Passage,
        _ line: Line,
        _ scheme: ClientFacts.Scheme,
        port: Int?,
        _ limits: ProxyLimits
    ) throws(Refusal) {
        guard Self.isSettled(line.target) else { throw Self.unsettled }
        do throws(RequestRefusal) {
            head = try passage.request.retold(
                method: line.method,
                target: line.target,
                authority: line.authority,
                dropping: Self.told,
                limits: limits,
                into: passage.takeStorage()
            )
        } catch {
            throw Self.malformed(error.reason)
        }
        client = ClientFacts(
            peer: passage.client.peer,
            isTrustedPeer: true,
            address: passage.client.address,
            scheme: scheme,
            port: port.flatMap { UInt16(exactly: $0) } ?? scheme.defaultPort
        )
    }

    static var conflict: Refusal { .forbidden(.init("conflicting-original-request")) }

    static var unsettled: Refusal {
        malformed("dot segments or empty segments, which the gateway would forward")
    }

    static var untold: Refusal { .forbidden(.init("no-original-request")) }

    static func malformed(_ detail: String) -> Refusal {
        .forbidden(.init("malformed-original-request", detail: detail))
    }

    // MARK: What is forwarded is what is judged

    /// Whether a path has no segment that making it canonical takes out (security row P3).
    ///
    /// We forward the canonical path; another gateway forwards what it got, so there must be no difference.
    static func isSettled(_ target: some Collection<UInt8>) -> Bool {
        // Octets of the segment so far, and how many of them are dots.
        var (count, dots) = (0, 0)
        for octet in target.dropFirst() {
            switch octet {
            case UInt8(ascii: "?"): return count != dots || count == 0 || count > 2
            case UInt8(ascii: "/"):
                guard count > 0, count != dots || count > 2 else { return false }
                (count, dots) = (0, 0)
            case UInt8(ascii: "."): (count, dots) = (count + 1, dots + 1)
            default: count += 1
            }
        }
        return count != dots || count == 0 || count > 2
    }

    // MARK: Fields

    /// The one request that the fields name; nil if they name none.
    ///
    /// A bare path is a path on the host that the other gateway told, so a URL beside it has to name that host too.
    private static func named(
        _ passage: Passage,
        _ places: [FieldName]
    ) throws(Refusal) -> (origin: RedirectTarget.Origin, target: [UInt8])? {
        let request = passage.request
        guard let own = RedirectTarget.Origin(passage), Self.isHostPlain(passage) else { throw conflict }
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

    /// Whether the scheme is told once at most, and can be read.
    private static func isSchemePlain(_ request: RequestHead) -> Bool {
        switch request.count(of: .xForwardedProto) {
        case 0: true
        case 1: request.string(of: .xForwardedProto).flatMap { ClientFacts.scheme($0) } != nil
        default: false
        }
    }

    /// Whether the host is told once at most, and can be read.
    private static func isHostPlain(_ passage: Passage) -> Bool {
        switch passage.request.count(of: .xForwardedHost) {
        case 0: true
        case 1: passage.client.forwardedHost != nil
        default: false
        }
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
}
