// Where a browser may be sent after a login or a logout.
package import Gateway
import Proxy

/// A place that a browser may be sent to: on our own host, or on a host of the allow list.
///
/// What a browser would read otherwise than we do is refused, never repaired: a backslash is a slash to a
/// browser, tabs and line feeds vanish, `//host` is a host. Security rows S1 and A12.
package struct RedirectTarget: Sendable, Equatable {
    /// What to write into `Location`: a path from the root, or an absolute URL.
    package let location: String
    /// Scheme and authority when the target is absolute.
    package let origin: Origin?

    /// Where an absolute target leads.
    package struct Origin: Sendable, Equatable {
        /// `http` or `https`.
        package let scheme: String
        /// Lower case, without port and without a trailing dot.
        package let host: String
        /// As written; nil for the scheme's own.
        package let port: Int?
    }

    /// Longest target that is taken, in bytes.
    package static let maximumBytes = 4096

    /// Reads `text` as a target.
    ///
    /// - Parameters:
    ///   - text: what a parameter asked for.
    ///   - own: the scheme and authority of the request itself.
    ///   - hosts: the allow list: `host`, `host:port`, or `*.example.com` and `.example.com` for what is below.
    package init?(_ text: String, own: Origin, hosts: [String]) {
        let bytes = Array(text.utf8)
        guard !bytes.isEmpty, bytes.count <= Self.maximumBytes else { return nil }
        guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") }) else { return nil }
        if bytes[0] == UInt8(ascii: "/") {
            guard Self.isPathOfOurs(bytes) else { return nil }
            location = text
            origin = nil
            return
        }
        guard let (origin, rest) = Self.absolute(bytes) else { return nil }
        guard origin == own || Self.isAllowed(origin, own: own, hosts: hosts) else { return nil }
        guard rest.isEmpty || Self.isTail(rest) else { return nil }
        let port = origin.port.map { ":\($0)" } ?? ""
        let tail = String(decoding: rest, as: UTF8.self)
        let path = tail.hasPrefix("/") ? tail : "/" + tail
        location = "\(origin.scheme)://\(origin.host)\(port)\(path)"
        self.origin = origin
    }

    /// Whether `host` with `port` (nil for the scheme's own) stands in the list `hosts`.
    ///
    /// As in oauth2-proxy, an entry without a port means the scheme's own, and `:*` any.
    package static func isListed(_ host: String, port: Int?, in hosts: [String]) -> Bool {
        hosts.contains { entry in
            var name = entry.lowercased()
            if name.hasSuffix(":*") {
                name.removeLast(2)
            } else if let port {
                guard name.hasSuffix(":\(port)") else { return false }
                name.removeLast(":\(port)".count)
            }
            if name == host { return true }
            guard name.hasPrefix("*.") || name.hasPrefix(".") else { return false }
            let suffix = name.hasPrefix("*") ? String(name.dropFirst()) : name
            return host.hasSuffix(suffix) && host.utf8.count > suffix.utf8.count
        }
    }

    /// Whether `host` is one of a route's `hosts`: a name, `*.example.com`, or `example.*`.
    package static func isHost(_ host: String, ofRoute hosts: [String]) -> Bool {
        hosts.contains { entry in
            let entry = entry.lowercased()
            guard entry.hasSuffix(".*") else { return isListed(host, port: nil, in: [entry]) }
            return host.hasPrefix(entry.dropLast()) && host.utf8.count > entry.utf8.count - 1
        }
    }

    /// A path that stays a path: no second slash, nor one that appears once dot segments are taken out.
    private static func isPathOfOurs(_ bytes: [UInt8]) -> Bool {
        let end = bytes.firstIndex { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") } ?? bytes.count
        let path = bytes[..<end]
        guard !hasHiddenSeparator(path) else { return false }
        var segments: [ArraySlice<UInt8>] = []
        for segment in path.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        {
            switch dots(segment) {
            case 1: continue
            case 2: _ = segments.popLast()
            default: segments.append(segment)
            }
        }
        return segments.first.map { !$0.isEmpty || segments.count == 1 } ?? true
    }

    private static func isTail(_ rest: ArraySlice<UInt8>) -> Bool {
        guard let first = rest.first else { return true }
        guard first == UInt8(ascii: "/") else {
            return first == UInt8(ascii: "?") || first == UInt8(ascii: "#")
        }
        return isPathOfOurs(Array(rest))
    }

    /// Percent-encoded backslash, NUL, tab or line end: harmless to us, read as what they hide by some.
    private static func hasHiddenSeparator(_ path: ArraySlice<UInt8>) -> Bool {
        let text = String(decoding: path, as: UTF8.self).lowercased()
        return ["%5c", "%00", "%09", "%0a", "%0d"].contains { text.contains($0) } || text.hasPrefix("/%2f")
    }

    /// How many dots a segment consists of, written plainly or as `%2e`; 0 for an ordinary segment.
    private static func dots(_ segment: ArraySlice<UInt8>) -> Int {
        switch String(decoding: segment, as: UTF8.self).lowercased() {
        case ".", "%2e": 1
        case "..", ".%2e", "%2e.", "%2e%2e": 2
        default: 0
        }
    }

    /// The host of an absolute http or https URL, lower case and without port.
    package static func host(of url: String) -> String? { absolute(Array(url.utf8))?.0.host }

    /// What follows the authority of an absolute http or https URL; at least `/`.
    package static func tail(of url: String) -> String {
        let tail = absolute(Array(url.utf8)).map { String(decoding: $0.1, as: UTF8.self) } ?? ""
        return tail.hasPrefix("/") ? tail : "/" + tail
    }

    /// The path of an absolute http or https URL; `/` if it has none.
    package static func path(of url: String) -> String? {
        guard let rest = absolute(Array(url.utf8))?.1 else { return nil }
        let path = rest.prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
        return path.isEmpty ? "/" : String(decoding: path, as: UTF8.self)
    }

    /// The origin of an absolute http or https URL.
    package static func origin(of url: String) -> Origin? { absolute(Array(url.utf8))?.0 }

    /// `scheme://authority` and what follows it.
    private static func absolute(_ bytes: [UInt8]) -> (Origin, ArraySlice<UInt8>)? {
        let text = String(decoding: bytes, as: UTF8.self).lowercased()
        let scheme = text.hasPrefix("https://") ? "https" : text.hasPrefix("http://") ? "http" : nil
        guard let scheme else { return nil }
        let start = scheme.utf8.count + 3
        let end = bytes[start...].firstIndex {
            [UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#")].contains($0)
        }
        let authority = String(decoding: bytes[start..<(end ?? bytes.count)], as: UTF8.self).lowercased()
        guard let (host, port) = split(authority) else { return nil }
        let own = scheme == "https" ? 443 : 80
        let origin = Origin(scheme: scheme, host: host, port: port == own ? nil : port)
        return (origin, bytes[(end ?? bytes.count)...])
    }

    /// A host of letters, digits, dots and hyphens (or an IPv6 literal), and a port.
    static func split(_ authority: String) -> (host: String, port: Int?)? {
        var host = authority
        var port: Int?
        let afterLiteral =
            authority.lastIndex(of: "]").map { authority.index(after: $0) } ?? authority.startIndex
        if let colon = authority[afterLiteral...].firstIndex(of: ":") {
            let digits = authority[authority.index(after: colon)...]
            guard !digits.isEmpty, digits.utf8.count <= 5, digits.utf8.allSatisfy({ 0x30...0x39 ~= $0 }),
                let number = Int(digits), (1...65535).contains(number)
            else { return nil }
            port = number
            host = String(authority[..<colon])
        }
        if host.hasSuffix(".") { host.removeLast() }
        let isLiteral = host.hasPrefix("[") && host.hasSuffix("]") && host.utf8.count > 3
        let inner = isLiteral ? String(host.dropFirst().dropLast()) : host
        guard !inner.isEmpty, !inner.hasPrefix("."), !inner.contains("..") else { return nil }
        let fits = inner.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x61...0x7A, UInt8(ascii: "."), UInt8(ascii: "-"): true
            case UInt8(ascii: ":"): isLiteral
            default: false
            }
        }
        return fits ? (host, port) : nil
    }

    /// An absolute target is allowed by its host; a request over https is never led to http.
    private static func isAllowed(_ origin: Origin, own: Origin, hosts: [String]) -> Bool {
        if own.scheme == "https", origin.scheme != "https" { return false }
        return isListed(origin.host, port: origin.port, in: hosts)
    }
}

extension RedirectTarget.Origin {
    /// The origin by which the client of `passage` asked; what a trusted proxy says of it counts.
    package init?(_ passage: Passage) {
        let client = passage.client
        let authority = (client.forwardedHost ?? passage.request.authorityText).lowercased()
        guard let (host, port) = RedirectTarget.split(authority) else { return nil }
        let standard = client.scheme == .https ? 443 : 80
        self.init(scheme: client.scheme.rawValue, host: host, port: port == standard ? nil : port)
    }

    /// Scheme and authority as text.
    package var text: String { "\(scheme)://\(host)\(port.map { ":\($0)" } ?? "")" }
}
