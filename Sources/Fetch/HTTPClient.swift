// One request out, one answer back: the door to the outside world.

/// Asks a server for something, off the hot path.
package protocol HTTPClient: Sendable {
    /// Sends one request and waits for its whole answer, or for the first limit that it passes.
    ///
    /// A status of any number is an answer, not an error.
    func fetch(_ request: FetchRequest) async throws(FetchError) -> FetchResponse
}

/// An HTTP client on libcurl, whose transfers all run on one thread of its own.
///
/// Redirects are followed here, not by libcurl, so that each hop is judged like a first request.
package final class CurlClient: HTTPClient {
    private let loop: CurlLoop

    /// Starts the thread.
    package init() throws(FetchError) {
        self.loop = try CurlLoop()
        try self.loop.start()
    }

    deinit { self.loop.close() }

    /// Ends the thread; transfers under way and later ones fail as `closed`.
    package func close() { self.loop.close() }

    package func fetch(_ request: FetchRequest) async throws(FetchError) -> FetchResponse {
        var current = request
        var hops = 0
        let deadline = ContinuousClock.now.advanced(by: .seconds(request.timeoutSeconds))
        while true {
            let response = try await self.loop.run(Transfer(current))
            guard let location = response.redirectLocation, request.redirects > 0 else { return response }
            guard hops < request.redirects else { throw .tooManyRedirects(limit: request.redirects) }
            hops += 1
            let left = ContinuousClock.now.duration(to: deadline) / .seconds(1)
            guard left > 0 else { throw .timedOut }
            current = try current.redirected(to: location)
            current.timeoutSeconds = left
        }
    }
}

extension FetchResponse {
    /// The target of a redirect that a client may follow by itself.
    fileprivate var redirectLocation: String? {
        [301, 302, 303, 307, 308].contains(self.status) ? self.field("location") : nil
    }
}

extension FetchRequest {
    /// The request for the next hop: without body and without whatever proves who we are.
    ///
    /// Only GET and HEAD are repeated; anything else would send a body, and perhaps a secret, elsewhere.
    fileprivate func redirected(to location: String) throws(FetchError) -> FetchRequest {
        guard self.method == "GET" || self.method == "HEAD" else { throw .redirectRefused }
        let address = try WebAddress(self.url).resolving(location)
        guard address.scheme == "https" || WebAddress.scheme(of: self.url) == "http" else {
            throw .redirectRefused
        }
        var next = self
        next.url = address.text
        next.body = []
        next.certificate = nil
        next.fields.removeAll { field in
            ["authorization", "cookie", "proxy-authorization", "dpop"].contains(field.0.lowercased())
        }
        return next
    }
}
