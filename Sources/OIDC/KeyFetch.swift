// One fetch of an issuer's keys: each of its places is asked once.
import Fetch
import JOSE
import JSON

/// What a place gave last, and how to ask it whether that has changed.
struct KeyCopy: Sendable {
    let document: JSONValue
    let keys: JWKSet
    /// The answer's entity tag (RFC 9110 §8.8.3).
    var tag: String?

    /// Reads a document; nil where it is no set.
    ///
    /// Symmetric keys come from files that the configuration names, never from the network (J11).
    init?(_ document: JSONValue, from place: String, tag: String? = nil) {
        let source: KeySource = place.hasPrefix("file:") ? .configuration : .network
        guard let keys = try? JWKSet(parsing: document, from: source) else { return nil }
        self.document = document
        self.keys = keys
        self.tag = tag
    }
}

/// Asks all places of an issuer for their keys.
struct KeyFetch: Sendable {
    /// What came of it.
    struct Result: Sendable {
        /// The places that there are now, in their order.
        var places: [String] = []
        /// What those gave that answered.
        var copies: [String: KeyCopy] = [:]
        /// The shortest of their lifetimes, in seconds.
        var lifetime = KeySchedule.lifetimeBounds.upperBound
        /// The first failure.
        var failure: OIDCError?
    }

    /// The most bytes of a set: room for a thousand keys with their certificates.
    static let maximumBytes = 2 << 20
    /// A file is read again after this time.
    static let fileLifetime = KeySchedule.lifetimeBounds.lowerBound

    let line: IssuerLine
    let discovery: Discovery

    /// Asks each place once; those that are known only whether they have changed.
    func run(knowing known: [String: KeyCopy]) async -> Result {
        var result = Result()
        do throws(OIDCError) {
            result.places = try await self.places()
        } catch {
            result.failure = error
        }
        for place in result.places {
            do throws(OIDCError) {
                let (copy, lifetime) = try await self.copy(of: place, knowing: known[place])
                result.copies[place] = copy
                result.lifetime = min(result.lifetime, lifetime)
            } catch {
                result.failure = result.failure ?? error
            }
        }
        self.line.report(.keys, result.failure)
        return result
    }

    /// Where the keys are: the metadata's or the configuration's place, then the extra ones.
    private func places() async throws(OIDCError) -> [String] {
        let settings = self.line.settings
        if let own = settings.jwksEndpoint { return [own] + settings.extraJWKSURLs }
        // Metadata that is old is asked for anew: the place may have moved. If that fails, the known one holds.
        let recent = try? await self.discovery.ready(within: KeySchedule.usualLifetime)
        let metadata: ProviderMetadata
        if let recent {
            metadata = recent
        } else {
            metadata = try await self.discovery.ready(within: .infinity)
        }
        return [metadata.jwksURL].compactMap { $0 } + settings.extraJWKSURLs
    }

    private func copy(of place: String, knowing known: KeyCopy?) async throws(OIDCError) -> (KeyCopy, Double)
    {
        guard !place.hasPrefix("file:") else {
            guard let copy = KeyCopy(try KeyFile.document(at: place), from: place), !copy.keys.isEmpty else {
                throw .malformedAnswer(.keys, "no key that we can use")
            }
            return (copy, Self.fileLifetime)
        }
        var request = FetchRequest(url: place, fields: [("Accept", "application/json")])
        request.maximumBodyBytes = Self.maximumBytes
        if let tag = known?.tag { request.fields.append(("If-None-Match", tag)) }
        let response = try await self.line.send(request, for: .keys)
        let lifetime = Freshness.lifetime(of: response, at: self.line.clock())
        let tag = Freshness.tag(of: response)
        if response.status == 304, var copy = known, copy.tag != nil {
            copy.tag = tag ?? copy.tag
            return (copy, lifetime)
        }
        guard response.status == 200 else { throw .failed(.keys, status: response.status) }
        let limits = JSONLimits(maximumBytes: Self.maximumBytes, maximumDepth: 64)
        guard let document = try? JSONValue(parsing: response.body, limits: limits), document.object != nil
        else { throw .malformedAnswer(.keys, "the answer is not a JSON object") }
        if var copy = known, copy.document == document {
            copy.tag = tag
            return (copy, lifetime)
        }
        guard let copy = KeyCopy(document, from: place, tag: tag), !copy.keys.isEmpty else {
            throw .malformedAnswer(.keys, "no key that we can use")
        }
        return (copy, lifetime)
    }
}

/// How long an answer may be kept, and by what it is asked for again (RFC 9111, RFC 9110 §8.8.3).
enum Freshness {
    /// The lifetime that an answer gives itself, within our bounds.
    ///
    /// `max-age` decides, else `Expires`; what a cache on the way has used of it is over.
    static func lifetime(of response: FetchResponse, at now: Double) -> Double {
        let bounds = KeySchedule.lifetimeBounds
        guard let seconds = self.said(response, at: now) else { return KeySchedule.usualLifetime }
        return min(max(seconds, bounds.lowerBound), bounds.upperBound)
    }

    private static func said(_ response: FetchResponse, at now: Double) -> Double? {
        let control = response.field("cache-control") ?? ""
        let directives = control.lowercased().split(separator: ",").map { $0.filter { !$0.isWhitespace } }
        if directives.contains("no-store") || directives.contains("no-cache") { return 0 }
        let age = max(0, response.field("age").flatMap(Double.init) ?? 0)
        if let text = directives.first(where: { $0.hasPrefix("max-age=") })?.dropFirst(8) {
            guard let seconds = Double(text.filter { $0 != "\"" }), seconds >= 0 else { return nil }
            return seconds - age
        }
        guard let text = response.field("expires") else { return nil }
        // What is no date has expired (RFC 9111 §5.3).
        guard let expires = HTTPDate.seconds(text) else { return 0 }
        return expires - (response.field("date").flatMap(HTTPDate.seconds) ?? now) - age
    }

    /// The entity tag of an answer, if it is one that can be sent back.
    static func tag(of response: FetchResponse) -> String? {
        guard let tag = response.field("etag"), (2...256).contains(tag.utf8.count), tag.hasSuffix("\""),
            tag.hasPrefix("\"") || tag.hasPrefix("W/\""),
            tag.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { return nil }
        return tag
    }
}
