// A request, its answer, and what may go wrong between them.

/// One request to the outside world.
package struct FetchRequest: Sendable {
    /// The method, upper case.
    package var method: String
    /// An absolute http or https URL.
    package var url: String
    /// Fields in order; names and values without control characters.
    package var fields: [(String, String)]
    /// The body; sent when it is not empty.
    package var body: [UInt8]
    /// How many redirects are followed; only GET and HEAD ever are, and never with credentials.
    package var redirects: Int
    /// The most bytes of body that are taken, counted after decoding.
    package var maximumBodyBytes: Int
    /// The time for all of it, redirects included.
    package var timeoutSeconds: Double
    /// What may be dialled, and how.
    package var policy: FetchPolicy
    /// What is shown to a server that asks for a certificate.
    package var certificate: FetchCertificate?

    /// A request; by default a GET that follows nothing and takes at most 1 MiB within 10 s.
    package init(
        method: String = "GET",
        url: String,
        fields: [(String, String)] = [],
        body: [UInt8] = [],
        policy: FetchPolicy = FetchPolicy()
    ) {
        self.method = method
        self.url = url
        self.fields = fields
        self.body = body
        self.redirects = 0
        self.maximumBodyBytes = 1 << 20
        self.timeoutSeconds = 10
        self.policy = policy
        self.certificate = nil
    }
}

/// What may be dialled, and how a server must prove itself.
package struct FetchPolicy: Sendable, Hashable {
    /// Where plain http may go.
    package enum PlainHTTP: Sendable, Hashable { case loopback, any }

    /// Whether a server's certificate and name are checked.
    package var verifiesTLS = true
    /// A PEM file of authorities; nil for the system's.
    package var caFile: String?
    /// Where plain http may go.
    package var plainHTTP = PlainHTTP.loopback
    /// Whether HTTP/2 is taken where a TLS server offers it.
    package var offersHTTP2 = true
    /// The proxies; the environment's are never used.
    package var proxies = FetchProxies()
    /// Hosts whose link-local or metadata addresses may be dialled all the same, lower case.
    package var linkLocalHosts: Set<String> = []

    /// A policy that checks TLS with the system's authorities and dials directly.
    package init() {}
}

/// The proxies through which requests go.
package struct FetchProxies: Sendable, Hashable {
    /// The proxy for http URLs.
    package var http: String?
    /// The proxy for https URLs, asked to CONNECT.
    package var https: String?
    /// The value of Proxy-Authorization towards `http`.
    package var httpAuthorization: String?
    /// The value of Proxy-Authorization towards `https`.
    package var httpsAuthorization: String?
    /// Hosts that are dialled directly: names, each with all below it, or `*`.
    package var exceptions: [String] = []

    /// No proxy at all.
    package init() {}

    /// The proxy for `address` and its authorization, if it goes through one.
    func proxy(for address: WebAddress) -> (url: String, authorization: String?)? {
        let isDirect = self.exceptions.contains { exception in
            let name = exception.hasPrefix(".") ? String(exception.dropFirst()) : exception
            return name == "*" || address.host == name.lowercased()
                || address.host.hasSuffix("." + name.lowercased())
        }
        guard !isDirect else { return nil }
        if address.scheme == "https" { return self.https.map { ($0, self.httpsAuthorization) } }
        return self.http.map { ($0, self.httpAuthorization) }
    }
}

/// A server's answer, whole.
package struct FetchResponse: Sendable {
    /// The status, 100–599.
    package let status: Int
    /// Fields in the order of arrival.
    package let fields: [(String, String)]
    /// The body, decoded.
    package let body: [UInt8]

    /// An answer, as a client or a test's stand-in gives it.
    package init(status: Int, fields: [(String, String)] = [], body: [UInt8] = []) {
        self.status = status
        self.fields = fields
        self.body = body
    }

    /// The value of the first field named `name`, without regard to case.
    package func field(_ name: String) -> String? {
        let wanted = name.lowercased()
        return self.fields.first { $0.0.lowercased() == wanted }?.1
    }
}

/// Why there is no answer.
///
/// No case carries a URL, a field or a secret.
package enum FetchError: Error, Sendable, Equatable {
    /// The URL is not an absolute http or https URL, or names credentials.
    case invalidURL
    /// Plain http to a place where the policy asks for https.
    case plainHTTPRefused
    /// A field's name or value, or the method, cannot be sent.
    case invalidField
    /// The host's address is link-local, a metadata service's, or none to dial.
    case addressRefused
    /// The file of authorities cannot be read.
    case authoritiesUnreadable
    /// The host's or the proxy's name has no address.
    case unresolvable
    /// Nobody took the connection.
    case connectionRefused
    /// The server's certificate or name does not stand, or the handshake failed.
    case tlsFailed
    /// The time was up, or the answer came too slowly.
    case timedOut
    /// The body grew beyond the limit, counted after decoding.
    case bodyTooLarge(limit: Int)
    /// The head grew beyond the limit.
    case headTooLarge(limit: Int)
    /// What came was not HTTP, or its coding was broken.
    case garbled
    /// The connection ended before the answer did.
    case connectionLost
    /// More redirects than allowed.
    case tooManyRedirects(limit: Int)
    /// A redirect that must not be followed: of a request with a body, or from https to http.
    case redirectRefused
    /// The caller's task was cancelled.
    case cancelled
    /// The client is closed.
    case closed
    /// libcurl failed otherwise, with this code.
    case other(code: UInt32)

    /// A stable kebab-case word for logs and metrics.
    package var reason: String {
        switch self {
        case .invalidURL: "fetch-invalid-url"
        case .plainHTTPRefused: "fetch-plain-http"
        case .invalidField: "fetch-invalid-field"
        case .addressRefused: "fetch-address-refused"
        case .authoritiesUnreadable: "fetch-ca-unreadable"
        case .unresolvable: "fetch-unresolvable"
        case .connectionRefused: "fetch-connection-refused"
        case .tlsFailed: "fetch-tls-failed"
        case .timedOut: "fetch-timed-out"
        case .bodyTooLarge: "fetch-too-large"
        case .headTooLarge: "fetch-head-too-large"
        case .garbled: "fetch-garbled"
        case .connectionLost: "fetch-connection-lost"
        case .tooManyRedirects: "fetch-too-many-redirects"
        case .redirectRefused: "fetch-redirect-refused"
        case .cancelled: "fetch-cancelled"
        case .closed: "fetch-closed"
        case .other: "fetch-failed"
        }
    }
}
