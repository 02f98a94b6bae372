// A request written in words: `GET https://host/path`.
package import Proxy

/// Why words are no request.
package struct WrittenRequestError: Error, Sendable, Equatable {
    package let message: String
    /// What the guard says of words that are a request, and one that is not let in.
    package var refusal: RequestRefusal?
}

/// A request as `gatehouse explain` and a file's `tests` write it, through the same guard as on the wire.
package struct WrittenRequest: Sendable {
    package let head: RequestHead
    package let scheme: ClientFacts.Scheme

    /// Reads `METHOD URL`, with further fields.
    package init(
        _ text: String,
        fields: [(name: String, value: String)] = [],
        limits: ProxyLimits = ProxyLimits()
    ) throws(WrittenRequestError) {
        let words = text.split(separator: " ", omittingEmptySubsequences: true)
        guard words.count == 2 else {
            throw WrittenRequestError(message: "expected a method and a URL: 'GET https://host/path'")
        }
        let url = words[1]
        let rest: Substring
        if url.hasPrefix("https://") {
            (self.scheme, rest) = (.https, url.dropFirst(8))
        } else if url.hasPrefix("http://") {
            (self.scheme, rest) = (.http, url.dropFirst(7))
        } else {
            throw WrittenRequestError(message: "expected a URL that begins with https:// or http://")
        }
        let end = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
        let target = rest[end...].hasPrefix("/") ? String(rest[end...]) : "/\(rest[end...])"
        var bytes = Array("\(words[0]) \(target) HTTP/1.1\r\n".utf8)
        if !fields.contains(where: { $0.name.lowercased() == "host" }) {
            bytes.append(contentsOf: "Host: \(rest[..<end])\r\n".utf8)
        }
        for (name, value) in fields { bytes.append(contentsOf: "\(name): \(value)\r\n".utf8) }
        bytes.append(contentsOf: "\r\n".utf8)
        do throws(RequestRefusal) {
            self.head = try RequestHead.parse(bytes, limits: limits)
        } catch {
            throw WrittenRequestError(
                message: "the gateway would refuse this request: \(error.reason)",
                refusal: error
            )
        }
    }

    /// Facts of a client that nobody knows.
    package var client: ClientFacts {
        guard let nobody = IPAddress("192.0.2.1") else { preconditionFailure("192.0.2.1 is an address") }
        return ClientFacts(
            peer: nobody,
            scheme: self.scheme,
            port: self.scheme.defaultPort,
            // As a client does that has just resolved the name.
            serverName: self.scheme == .https ? self.head.hostText : nil
        )
    }
}

extension ConfigurationTest {
    /// Runs the test under a plan; what came out otherwise than expected.
    package func run(_ plan: Plan, limits: ProxyLimits = ProxyLimits(), now: Double) -> Diagnostic? {
        let explanation: Explanation
        do throws(WrittenRequestError) {
            let request = try WrittenRequest(self.request, fields: self.fields, limits: limits)
            explanation = Explainer(plan: plan, now: now)
                .explain(request.head, client: request.client, claims: self.claims)
        } catch {
            guard let refusal = error.refusal else {
                return Diagnostic(.error, at: self.position, "test '\(self.request)': \(error.message)")
            }
            explanation = Explainer.explain(refusal)
        }
        let found: (status: Int, reason: String?)
        switch explanation.outcome {
        case .passes: found = (200, nil)
        case .answers(let status, let reason): found = (status, reason)
        case .undecided(let why):
            return Diagnostic(.error, at: self.position, "test '\(self.request)': cannot be decided: \(why)")
        }
        guard found.status != self.expect || (self.reason != nil && self.reason != found.reason) else {
            return nil
        }
        let wanted = "\(self.expect)\(self.reason.map { " \($0)" } ?? "")"
        let got = "\(found.status)\(found.reason.map { " \($0)" } ?? "")"
        return Diagnostic(
            .error,
            at: self.position,
            "test '\(self.request)': expected \(wanted), found \(got)"
        )
    }
}
