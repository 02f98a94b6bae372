// The line to one issuer: every request of ours goes through here.
import Fetch
import JSON

/// Sends requests to one issuer under its settings, and tells what became of them.
struct IssuerLine: Sendable {
    let settings: IssuerSettings
    let client: any HTTPClient
    let clock: @Sendable () -> Double
    let events: any IssuerEvents
    /// What is thought of the issuer's clock.
    let issuerClock: IssuerClock
    private let policy: FetchPolicy

    /// A line; hosts that the settings write as addresses are named by that, even link-local ones (E9).
    init(
        settings: IssuerSettings,
        client: any HTTPClient,
        clock: @escaping @Sendable () -> Double,
        events: any IssuerEvents
    ) {
        self.settings = settings
        self.client = client
        self.clock = clock
        self.events = events
        self.issuerClock = IssuerClock(settings.issuer, events)
        var policy = settings.policy
        let written = [settings.issuer, settings.jwksEndpoint ?? ""] + settings.extraJWKSURLs
        for host in (written + settings.endpoints.all + settings.aliases.all).compactMap({
            try? WebAddress($0).host
        })
        where AddressKind(literal: host) == .refused {
            policy.linkLocalHosts.insert(host)
        }
        self.policy = policy
    }

    /// Sends a request; its policy and time limit are the settings', it follows no redirect (H6).
    func send(
        _ request: FetchRequest,
        for purpose: IssuerRequest,
        within seconds: Double? = nil
    ) async throws(OIDCError) -> FetchResponse {
        var request = request
        request.policy = self.policy
        if let certificate = request.certificate { request.policy.verifiesTLS = certificate.verifiesServer }
        request.redirects = 0
        request.timeoutSeconds = min(seconds ?? self.settings.timeoutSeconds, self.settings.timeoutSeconds)
        let sent = self.clock()
        do throws(FetchError) {
            let response = try await self.client.fetch(request)
            // The date of an answer from a cache is that of its making.
            if response.field("age") == nil, let date = response.field("date").flatMap(HTTPDate.seconds) {
                self.issuerClock.saw(date: date, between: sent, and: self.clock())
            }
            return response
        } catch {
            throw .unreachable(purpose, error)
        }
    }

    /// Gets a JSON document whose answer must be 200.
    func document(
        _ url: String,
        fields: [(String, String)] = [],
        for purpose: IssuerRequest,
        within seconds: Double? = nil
    ) async throws(OIDCError) -> (document: JSONValue, response: FetchResponse) {
        let request = FetchRequest(url: url, fields: [("Accept", "application/json")] + fields)
        let response = try await self.send(request, for: purpose, within: seconds)
        guard response.status == 200 else { throw .failed(purpose, status: response.status) }
        guard let document = try? JSONValue(parsing: response.body), document.object != nil else {
            throw .malformedAnswer(purpose, "the answer is not a JSON object")
        }
        return (document, response)
    }

    /// Tells the operator what became of a whole attempt.
    func report(_ purpose: IssuerRequest, _ outcome: OIDCError?) {
        self.events.fetched(
            issuer: self.settings.issuer,
            request: purpose,
            outcome: outcome?.reason ?? "ok"
        )
    }
}
