// A URL in its parts, read by the same parser that dials it.
import CCurl

/// An absolute http or https URL, read by libcurl's own parser, so that what is judged is what is dialled.
package struct WebAddress: Sendable, Hashable {
    /// The URL as normalised by the parser, fragment removed.
    package let text: String
    /// The scheme: http or https.
    package let scheme: String
    /// The host, lower case; an IPv6 address without its brackets.
    package let host: String
    /// The port, written or the scheme's.
    package let port: Int
    /// The path; at least `/`.
    package let path: String
    /// The query without its question mark.
    package let query: String?
    /// Whether a fragment was written.
    package let hasFragment: Bool

    /// Reads `text`; refuses other schemes, relative forms, control characters and credentials.
    package init(_ text: String) throws(FetchError) {
        let parser = try URLParser()
        try parser.read(text)
        try self.init(parser)
    }

    private init(_ parser: borrowing URLParser) throws(FetchError) {
        guard let scheme = parser.part(CURLUPART_SCHEME)?.lowercased(), scheme == "http" || scheme == "https",
            parser.part(CURLUPART_USER) == nil, parser.part(CURLUPART_PASSWORD) == nil,
            let host = parser.part(CURLUPART_HOST)?.lowercased(), !host.isEmpty,
            let port = parser.part(CURLUPART_PORT, flags: UInt32(CURLU_DEFAULT_PORT)).flatMap({ Int($0) })
        else { throw .invalidURL }
        self.scheme = scheme
        self.host = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        self.port = port
        self.path = parser.part(CURLUPART_PATH) ?? "/"
        self.query = parser.part(CURLUPART_QUERY)
        self.hasFragment = parser.part(CURLUPART_FRAGMENT) != nil
        try parser.dropFragment()
        guard let whole = parser.part(CURLUPART_URL) else { throw .invalidURL }
        self.text = whole
    }

    /// The scheme of an absolute URL, or an empty string.
    package static func scheme(of text: String) -> String {
        (try? WebAddress(text))?.scheme ?? ""
    }

    /// The address that `reference` names when it stands in a document at this one (RFC 3986 §5).
    package func resolving(_ reference: String) throws(FetchError) -> WebAddress {
        let parser = try URLParser()
        try parser.read(self.text)
        try parser.read(reference)
        return try WebAddress(parser)
    }

    /// Whether the host is this machine by its very name: `localhost`, below it, or a loopback address.
    package var isLoopback: Bool {
        self.host == "localhost" || self.host.hasSuffix(".localhost")
            || AddressKind(literal: self.host) == .loopback
    }
}

/// Owns a `CURLU`; freed when the value's life ends.
@safe private struct URLParser: ~Copyable {
    private let handle: OpaquePointer

    init() throws(FetchError) {
        guard let handle = unsafe curl_url() else { throw .other(code: CURLE_OUT_OF_MEMORY.rawValue) }
        unsafe self.handle = handle
    }

    deinit { unsafe curl_url_cleanup(self.handle) }

    /// Reads an absolute URL, or one relative to what was read before.
    func read(_ text: String) throws(FetchError) {
        guard !text.utf8.contains(0) else { throw .invalidURL }
        guard unsafe curl_url_set(self.handle, CURLUPART_URL, text, 0) == CURLUE_OK else { throw .invalidURL }
    }

    func dropFragment() throws(FetchError) {
        guard unsafe curl_url_set(self.handle, CURLUPART_FRAGMENT, nil, 0) == CURLUE_OK else {
            throw .invalidURL
        }
    }

    func part(_ part: CURLUPart, flags: UInt32 = 0) -> String? {
        var text: UnsafeMutablePointer<CChar>?
        guard unsafe curl_url_get(self.handle, part, &text, flags) == CURLUE_OK, let text = unsafe text else {
            return nil
        }
        defer { unsafe curl_free(text) }
        return unsafe String(validatingCString: text)
    }
}
