// Requests against a server that misbehaves, in an environment that means no good.
import JSON
import Testing

@testable import Fetch

@Suite(.timeLimit(.minutes(2)))
struct CurlClientTests {
    let server: HostileServer
    let client: CurlClient

    init() throws {
        self.server = try HostileServer.shared.get()
        self.client = try CurlClient()
    }

    private func request(_ path: String, _ edit: (inout FetchRequest) -> Void = { _ in }) -> FetchRequest {
        var request = FetchRequest(url: self.server.http + path)
        edit(&request)
        return request
    }

    private func echo(_ request: FetchRequest) async throws -> JSONValue {
        let response = try await self.client.fetch(request)
        #expect(response.status == 200)
        return try JSONValue(parsing: response.body)
    }

    @Test func `a request arrives as it was written`() async throws {
        let request = self.request("/echo?a=1") {
            $0.method = "POST"
            $0.fields = [("X-Empty", ""), ("Content-Type", "text/plain"), ("Accept", "application/json")]
            $0.body = Array("hello".utf8)
        }
        let seen = try await self.echo(request)
        #expect(seen["method"] == "POST")
        #expect(seen["target"] == "/echo?a=1")
        #expect(seen["body"] == "hello")
        #expect(seen["fields"]?["content-type"] == "text/plain")
        #expect(seen["fields"]?["x-empty"] == "")
        #expect(seen["fields"]?["accept"] == "application/json")
        #expect(seen["fields"]?["expect"] == nil)
    }

    @Test func `an answer of any status is an answer, its fields in order and trimmed`() async throws {
        let response = try await self.client.fetch(self.request("/missing"))
        #expect(response.status == 404)
        #expect(response.body == Array("nothing here".utf8))
        #expect(response.fields.filter { $0.0.lowercased() == "x-two" }.map(\.1) == ["a", "b"])
        #expect(response.field("X-TWO") == "a")
    }

    @Test(arguments: ["HEAD", "PUT"])
    func `other methods work`(method: String) async throws {
        let response = try await self.client.fetch(self.request("/echo") { $0.method = method })
        #expect(response.status == 200)
        #expect(response.body.isEmpty == (method == "HEAD"))
    }

    // E9: the environment holds proxies that refuse, a .netrc and a .curlrc; see HostileServer.
    @Test func `E9 nothing is taken from the environment`() async throws {
        let seen = try await self.echo(self.request("/echo"))
        #expect(seen["fields"]?["authorization"] == nil)
        #expect(seen["target"] == "/echo")
    }

    @Test func `E9 a cookie that a server sets is never sent back`() async throws {
        let first = try await self.client.fetch(self.request("/echo"))
        #expect(first.field("set-cookie") == "tossed=1; Path=/")
        #expect(try await self.echo(self.request("/echo"))["fields"]?["cookie"] == nil)
        #expect(
            try await self.echo(self.request("/to?u=/echo") { $0.redirects = 1 })["fields"]?["cookie"] == nil
        )
    }

    // MARK: Limits (E4, E9)

    @Test func `E4 a body at the limit is taken, one byte more is not`() async throws {
        let whole = try await self.client.fetch(self.request("/bytes?n=1000") { $0.maximumBodyBytes = 1000 })
        #expect(whole.body.count == 1000)
        await #expect(throws: FetchError.bodyTooLarge(limit: 1000)) {
            try await self.client.fetch(self.request("/bytes?n=1001") { $0.maximumBodyBytes = 1000 })
        }
    }

    @Test(arguments: ["/bytes?n=10485760", "/unannounced", "/bomb"])
    func `E4 ten megabytes, announced, unannounced or zipped, are refused`(path: String) async throws {
        await #expect(throws: FetchError.bodyTooLarge(limit: 1 << 20)) {
            try await self.client.fetch(self.request(path))
        }
    }

    @Test func `a gzip body is unpacked`() async throws {
        let response = try await self.client.fetch(self.request("/zipped"))
        #expect(response.body == Array("unpacked".utf8))
    }

    @Test func `a head at the limit is taken, a longer one is not`() async throws {
        #expect(try await self.client.fetch(self.request("/head?n=60")).status == 200)
        await #expect(throws: FetchError.headTooLarge(limit: 64 << 10)) {
            try await self.client.fetch(self.request("/head?n=70"))
        }
    }

    @Test(arguments: ["/never", "/drip"])
    func `E4 an answer that never comes or drips is given up in time`(path: String) async throws {
        let start = ContinuousClock.now
        await #expect(throws: FetchError.timedOut) {
            try await self.client.fetch(self.request(path) { $0.timeoutSeconds = 0.5 })
        }
        #expect(start.duration(to: .now) < .seconds(5))
    }

    @Test func `one that hangs does not hold up the others`() async throws {
        await withTaskGroup(of: FetchError?.self) { group in
            for _ in 0..<10 {
                group.addTask {
                    do throws(FetchError) {
                        _ = try await self.client.fetch(self.request("/never"))
                        return nil
                    } catch { return error }
                }
            }
            for _ in 0..<20 {
                let response = try? await self.client.fetch(self.request("/bytes?n=5"))
                #expect(response?.body.count == 5)
            }
            group.cancelAll()
            for await error in group { #expect(error == .cancelled) }
        }
    }

    // MARK: Answers that are none

    @Test(arguments: [
        ("/garbage", FetchError.garbled), ("/badzip", .garbled), ("/empty", .connectionLost),
        ("/cut", .connectionLost),
    ])
    func `what is no answer is an error of its own`(path: String, error: FetchError) async throws {
        await #expect(throws: error) { try await self.client.fetch(self.request(path)) }
    }

    @Test func `a port that nobody serves refuses`() async throws {
        await #expect(throws: FetchError.connectionRefused) {
            try await self.client.fetch(FetchRequest(url: "http://127.0.0.1:1/"))
        }
    }

    @Test func `a closed client answers at once, also whoever waits already`() async throws {
        async let waiting = self.client.fetch(self.request("/never"))
        self.client.close()
        do {
            _ = try await waiting
            Issue.record("an answer from a closed client")
        } catch { #expect(error as? FetchError == .closed) }
        await #expect(throws: FetchError.closed) { try await self.client.fetch(self.request("/echo")) }
    }

    // MARK: Redirects

    @Test func `a redirect is an answer unless asked for`() async throws {
        let response = try await self.client.fetch(self.request("/again?n=1"))
        #expect(response.status == 302)
        #expect(response.field("location") == "/echo")
    }

    @Test func `as many redirects as allowed are followed, not one more`() async throws {
        let response = try await self.client.fetch(self.request("/again?n=3") { $0.redirects = 3 })
        #expect(response.status == 200)
        await #expect(throws: FetchError.tooManyRedirects(limit: 3)) {
            try await self.client.fetch(self.request("/again?n=4") { $0.redirects = 3 })
        }
    }

    @Test func `H6 what proves who we are never follows a redirect`() async throws {
        let seen = try await self.echo(
            self.request("/to?u=/echo") {
                $0.redirects = 1
                $0.fields = [("Authorization", "Bearer x"), ("cookie", "a=b"), ("X-Kept", "1")]
            }
        )
        #expect(seen["fields"]?["authorization"] == nil)
        #expect(seen["fields"]?["cookie"] == nil)
        #expect(seen["fields"]?["x-kept"] == "1")
    }

    @Test func `H6 a request with a body is never sent on`() async throws {
        await #expect(throws: FetchError.redirectRefused) {
            try await self.client.fetch(
                self.request("/to?status=307&u=/echo") {
                    $0.redirects = 1
                    $0.method = "POST"
                    $0.body = [1]
                }
            )
        }
    }

    @Test(arguments: [
        ("file:///etc/passwd", FetchError.invalidURL), ("gopher://127.0.0.1/", .invalidURL),
        ("http://u:p@127.0.0.1/", .invalidURL), ("http://169.254.169.254/latest", .plainHTTPRefused),
        ("https://169.254.169.254/latest", .addressRefused), ("http://example.com/", .plainHTTPRefused),
    ])
    func `E9 each hop is judged like a first request`(target: String, error: FetchError) async throws {
        await #expect(throws: error) {
            try await self.client.fetch(self.request("/to?u=" + target) { $0.redirects = 1 })
        }
    }

    // MARK: What may be dialled

    @Test(arguments: [
        ("http://example.com/", FetchError.plainHTTPRefused), ("http://10.0.0.1/", .plainHTTPRefused),
        ("https://[fe80::1]/", .addressRefused), ("https://2852039166/", .addressRefused),
        ("ftp://127.0.0.1/", .invalidURL), ("/echo", .invalidURL), ("", .invalidURL),
        ("https://a b/", .invalidURL), ("https://user@host/", .invalidURL),
    ])
    func `E9 what may not be dialled is refused before anything is`(
        url: String,
        error: FetchError
    ) async throws {
        await #expect(throws: error) { try await self.client.fetch(FetchRequest(url: url)) }
    }

    @Test func `E9 the address that a name leads to is judged when its socket is opened`() async throws {
        let url = "http://0.0.0.0:\(self.server.port)/echo"
        let request = FetchRequest(url: url)
        let loop = try CurlLoop()
        try loop.start()
        defer { loop.close() }
        for (allowsRefused, loopbackOnly) in [(false, false), (true, true)] {
            let policy = AddressPolicy(loopbackOnly: loopbackOnly, allowsRefused: allowsRefused)
            let transfer = Transfer(request, at: try WebAddress(url), dialling: policy)
            await #expect(throws: FetchError.addressRefused) { try await loop.run(transfer) }
        }
        let named = self.request("/echo") {
            $0.url = url
            $0.policy.plainHTTP = .any
            $0.policy.linkLocalHosts = ["0.0.0.0"]
        }
        #expect(try await self.client.fetch(named).status == 200)
    }

    @Test(arguments: [("a\r\nb", "x"), ("", "x"), ("a b", "x"), ("a", "x\r\nEvil: 1"), ("a", "\u{0}")])
    func `a field that would break its line is refused`(name: String, value: String) async throws {
        await #expect(throws: FetchError.invalidField) {
            try await self.client.fetch(self.request("/echo") { $0.fields = [(name, value)] })
        }
    }

    // MARK: Proxies

    @Test func `a configured proxy is asked, with its authorization, unless the host is excepted`()
        async throws
    {
        var policy = FetchPolicy()
        policy.proxies.http = self.server.http
        policy.proxies.httpAuthorization = "Basic cHJveHk="
        let request = FetchRequest(url: "http://app.localhost:1/echo", policy: policy)
        let seen = try await self.echo(request)
        #expect(seen["target"] == "http://app.localhost:1/echo" || seen["target"] == "/echo")
        #expect(seen["fields"]?["host"] == "app.localhost:1")
        #expect(seen["fields"]?["proxy-authorization"] == "Basic cHJveHk=")
        policy.proxies.exceptions = [".localhost"]
        await #expect(throws: FetchError.connectionRefused) {
            try await self.client.fetch(FetchRequest(url: "http://app.localhost:1/echo", policy: policy))
        }
    }

    // MARK: TLS

    private func secure(_ host: String, port: Int, _ edit: (inout FetchPolicy) -> Void) -> FetchRequest {
        var policy = FetchPolicy()
        edit(&policy)
        return FetchRequest(url: "https://\(host):\(port)/echo", policy: policy)
    }

    @Test func `A20 a certificate of an authority that is not ours is refused`() async throws {
        await #expect(throws: FetchError.tlsFailed) {
            try await self.client.fetch(self.secure("localhost", port: self.server.tlsPort) { _ in })
        }
    }

    @Test func `A20 a certificate of the configured authority stands for its name alone`() async throws {
        let trusted = self.secure("localhost", port: self.server.tlsPort) {
            $0.caFile = self.server.certificateFile
        }
        #expect(try await self.client.fetch(trusted).status == 200)
        await #expect(throws: FetchError.tlsFailed) {
            try await self.client.fetch(
                self.secure("127.0.0.1", port: self.server.tlsPort) {
                    $0.caFile = self.server.certificateFile
                }
            )
        }
    }

    @Test func `a connection that was not verified is not lent to a request that must be`() async throws {
        let lax = self.secure("localhost", port: self.server.tlsPort) { $0.verifiesTLS = false }
        #expect(try await self.client.fetch(lax).status == 200)
        await #expect(throws: FetchError.tlsFailed) {
            try await self.client.fetch(self.secure("localhost", port: self.server.tlsPort) { _ in })
        }
    }

    @Test func `E9 TLS below 1_2 is refused`() async throws {
        await #expect(throws: FetchError.tlsFailed) {
            try await self.client.fetch(
                self.secure("localhost", port: self.server.oldTLSPort) { $0.verifiesTLS = false }
            )
        }
    }

    @Test func `authorities that cannot be read fail the request`() async throws {
        await #expect(throws: FetchError.authoritiesUnreadable) {
            try await self.client.fetch(
                self.secure("localhost", port: self.server.tlsPort) { $0.caFile = "/nonexistent.pem" }
            )
        }
    }
}
