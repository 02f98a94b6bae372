// The name of a field, in lower case.

/// A field's name as rules and configuration write it: lower case, compared without case.
package struct FieldName: Sendable, Hashable, ExpressibleByStringLiteral, CustomStringConvertible {
    /// The name's octets, lower case.
    let octets: [UInt8]
    /// What the proxy itself does with fields of this name.
    let kind: FieldKind

    /// Takes a name from outside, or nil if it is no token (RFC 9110 §5.1).
    package init?(_ text: String) {
        let octets = text.utf8.map(Octet.lowercased)
        guard !octets.isEmpty, octets.allSatisfy(Octet.isToken) else { return nil }
        self.octets = octets
        self.kind = FieldKind(octets, 0..<octets.count)
    }

    /// Takes a name written in the program; a name that is no token is a programmer's mistake.
    package init(stringLiteral text: StaticString) {
        let octets = text.description.utf8.map(Octet.lowercased)
        precondition(!octets.isEmpty && octets.allSatisfy(Octet.isToken), "a field's name is a token")
        self.octets = octets
        self.kind = FieldKind(octets, 0..<octets.count)
    }

    /// The name as text, lower case.
    package var description: String { String(decoding: self.octets, as: UTF8.self) }
}

extension FieldName {
    package static let accept: FieldName = "accept"
    package static let acceptLanguage: FieldName = "accept-language"
    package static let authorization: FieldName = "authorization"
    package static let cacheControl: FieldName = "cache-control"
    package static let connection: FieldName = "connection"
    package static let contentLength: FieldName = "content-length"
    package static let contentType: FieldName = "content-type"
    package static let cookie: FieldName = "cookie"
    package static let date: FieldName = "date"
    package static let dpop: FieldName = "dpop"
    package static let dpopNonce: FieldName = "dpop-nonce"
    package static let expect: FieldName = "expect"
    package static let forwarded: FieldName = "forwarded"
    package static let host: FieldName = "host"
    package static let location: FieldName = "location"
    package static let origin: FieldName = "origin"
    package static let referer: FieldName = "referer"
    package static let retryAfter: FieldName = "retry-after"
    package static let secFetchMode: FieldName = "sec-fetch-mode"
    package static let secFetchSite: FieldName = "sec-fetch-site"
    package static let server: FieldName = "server"
    package static let setCookie: FieldName = "set-cookie"
    package static let transferEncoding: FieldName = "transfer-encoding"
    package static let userAgent: FieldName = "user-agent"
    package static let via: FieldName = "via"
    package static let wwwAuthenticate: FieldName = "www-authenticate"
    package static let xForwardedFor: FieldName = "x-forwarded-for"
    package static let xForwardedHost: FieldName = "x-forwarded-host"
    package static let xForwardedMethod: FieldName = "x-forwarded-method"
    package static let xForwardedPort: FieldName = "x-forwarded-port"
    package static let xForwardedProto: FieldName = "x-forwarded-proto"
    package static let xForwardedURI: FieldName = "x-forwarded-uri"
    package static let xOriginalMethod: FieldName = "x-original-method"
    package static let xOriginalURI: FieldName = "x-original-uri"
    package static let xOriginalURL: FieldName = "x-original-url"
    package static let xRequestID: FieldName = "x-request-id"
    package static let xRewriteURL: FieldName = "x-rewrite-url"
}
