// The openid-connect plugin: credentials that a request shows.
import Cryptography
import Gateway
import JOSE
import JSON
import OIDC
import Proxy

extension OpenIDConnect {
    /// Answers a request that shows a credential; nil when it shows none of the open ways.
    func credential(_ passage: Passage) throws(Refusal) -> Step? {
        let request = passage.request
        if let range = request.first(.authorization) {
            guard request.count(of: .authorization) == 1 else { throw repeatedCredential() }
            if let step = try authorization(range, passage) { return step }
        }
        if settings.takesTokens, settings.tokens.takesFields {
            for name in settings.tokens.bearerFields {
                guard let range = request.first(name) else { continue }
                guard request.count(of: name) == 1 else { throw repeatedCredential() }
                return try bearer(range, skipping: bareOrScheme(range, request), passage)
            }
        }
        if settings.takesTokens, let step = try cookieToken(passage) { return step }
        guard settings.methods.contains(.refreshToken) else { return nil }
        for name in settings.tokens.refreshFields {
            guard let token = request.string(of: name), !token.isEmpty else { continue }
            guard request.count(of: name) == 1 else { throw repeatedCredential() }
            return try grant(.refreshToken(token), passage)
        }
        return nil
    }

    /// The token in the cookie that was named for it.
    private func cookieToken(_ passage: Passage) throws(Refusal) -> Step? {
        guard let name = settings.tokens.bearerCookie, let range = passage.request.first(.cookie) else {
            return nil
        }
        let request = passage.request
        let sighting = request.withValue(range) { CookieJar.find(name, in: $0) }
        guard sighting.count > 0 else { return nil }
        guard sighting.count == 1, request.count(of: .cookie) == 1 else { throw repeatedCredential() }
        try refuseCrossSite(passage)
        return try bearer(range, skipping: sighting.value.lowerBound, to: sighting.value.upperBound, passage)
    }

    func repeatedCredential() -> Refusal {
        .malformed(
            settings.cause(
                "repeated-credential",
                challenges: [settings.answers.challenge.bearer(error: "invalid_request")]
            )
        )
    }

    /// The `Authorization` field: a bearer token, or a name and a secret.
    private func authorization(_ range: FieldRange, _ passage: Passage) throws(Refusal) -> Step? {
        let request = passage.request
        if settings.takesTokens, settings.tokens.takesFields, let start = after("bearer ", range, request) {
            return try bearer(range, skipping: start, passage)
        }
        if settings.proof.dpop.isOn, settings.takesTokens, settings.tokens.takesFields,
            let start = after("dpop ", range, request)
        {
            return try bearer(range, skipping: start, passage)
        }
        let takesBasic = settings.methods.containsAny([.password, .clientCredentials])
        guard takesBasic, let start = after("basic ", range, request) else { return nil }
        guard let pair = request.withValue(range, { BasicCredential($0.extracting(start..<$0.count)) }) else {
            throw badCredential("malformed", detail: "the Basic credential is not base64 of name:secret")
        }
        return try grant(.basic(pair), passage)
    }

    /// Where the credential begins behind `scheme` and its spaces (RFC 9110 §11.4); nil for another scheme.
    func after(_ scheme: StaticString, _ range: FieldRange, _ request: RequestHead) -> Int? {
        let wanted = scheme.description.utf8.span
        return request.withValue(range) { value in
            guard value.count > wanted.count else { return nil }
            for index in wanted.indices {
                let octet = value[index]
                guard (octet &- 0x41 < 26 ? octet | 0x20 : octet) == wanted[index] else { return nil }
            }
            var start = wanted.count
            while start < value.count - 1, value[start] == 0x20 { start += 1 }
            return start
        }
    }

    /// The bearer token that a request shows, if it shows one.
    func shownToken(_ passage: Passage) -> [UInt8]? {
        guard settings.methods.contains(.bearer) else { return nil }
        let request = passage.request
        var place: (range: FieldRange, start: Int)?
        if let range = request.first(.authorization), let start = after("bearer ", range, request) {
            place = (range, start)
        } else if settings.proof.dpop.isOn, let range = request.first(.authorization),
            let start = after("dpop ", range, request)
        {
            place = (range, start)
        } else if let range = settings.tokens.bearerFields.lazy.compactMap({ request.first($0) }).first {
            place = (range, bareOrScheme(range, request))
        }
        guard let place else { return nil }
        return request.withValue(place.range) { value in
            (place.start..<value.count).map { value[$0] }
        }
    }

    /// A field of its own may hold the bare token, or `Bearer` before it.
    private func bareOrScheme(_ range: FieldRange, _ request: RequestHead) -> Int {
        after("bearer ", range, request) ?? 0
    }

    // MARK: Bearer tokens

    /// Answers a bearer token: from this worker's memory, or verified now.
    private func bearer(
        _ range: FieldRange,
        skipping: Int,
        to end: Int? = nil,
        _ passage: Passage
    ) throws(Refusal) -> Step {
        let memory = services.proven(passage.worker)
        let asker = number &* 4
        let known = passage.request.withValue(range) { value in
            memory.value(value.extracting(skipping..<(end ?? value.count)), asker: asker)
        }
        if let known {
            let isKeysOwn = known.keysVersion == parties.keysVersion
            if passage.now < known.keptUntil, isKeysOwn || known.keysVersion == ProvenCredential.withoutKeys {
                return try admit(known, passage)
            }
            passage.request.withValue(range) {
                memory.forget($0.extracting(skipping..<(end ?? $0.count)), asker: asker)
            }
        }
        let value = passage.request.fields.value(range)
        let stop = end.map { value.startIndex + $0 } ?? value.endIndex
        return try prove(Array(value[(value.startIndex + skipping)..<stop]), passage)
    }

    /// Verifies a bearer token with the keys at hand; asks for newer ones once if that may help.
    func verify(_ token: [UInt8], _ passage: Passage, mayAsk: Bool) throws(Refusal) -> Step {
        let headers = services.headers(passage.worker)
        switch parties.verify(token, settings, at: passage.now, headers: headers) {
        case .proven(let facts):
            if let choice = settings.question, choice.includesJWT {
                return try ask(choice, about: token, besides: facts, passage)
            }
            let proven = settings.proven(facts, consumers: consumers)
            services.proven(passage.worker)
                .keep(proven, forOwn: token, asker: number &* 4, holding: proven.approximateBytes)
            return try admit(proven, passage)
        case .refused(let reason, let detail): throw badCredential(reason, detail: detail)
        case .needsKeys(let issuer, let version):
            guard mayAsk, passage.door != .explanation else { throw badCredential("unknown-key") }
            return .wait(
                Inquiry { [self] in
                    let lookup = await parties.newerKeys(of: issuer, seen: version)
                    return { passage throws(Refusal) in
                        try self.verifyAgain(token, passage, after: lookup, issuer)
                    }
                }
            )
        }
    }

    private func verifyAgain(
        _ token: [UInt8],
        _ passage: Passage,
        after lookup: KeyLookup,
        _ issuer: Issuer
    ) throws(Refusal) -> Step {
        // Without a single key of the issuer nothing can be said of its tokens: that is not the client's fault.
        if lookup != .refreshed, issuer.keys.isEmpty { throw issuerUnavailable("no-keys") }
        return try verify(token, passage, mayAsk: false)
    }

    /// The issuer cannot be asked, and the verdict needs it.
    func issuerUnavailable(_ reason: String, detail: String? = nil) -> Refusal {
        var cause = settings.cause(reason, detail: detail)
        cause.message = "The identity provider is unavailable"
        return .unavailable(retryAfterSeconds: 5, cause)
    }
}

/// A name and a secret from a `Basic` credential (RFC 7617).
struct BasicCredential: Sendable, Equatable {
    let name: String
    let secret: String

    /// Reads base64 of `name:secret`; both must be there.
    init?(_ text: Span<UInt8>) {
        var octets: [UInt8] = []
        var (bits, count, padding) = (UInt32(0), 0, 0)
        for index in text.indices {
            let value: UInt32
            switch text[index] {
            case 0x41...0x5A: value = UInt32(text[index] - 0x41)
            case 0x61...0x7A: value = UInt32(text[index] - 0x61 + 26)
            case 0x30...0x39: value = UInt32(text[index] - 0x30 + 52)
            case UInt8(ascii: "+"): value = 62
            case UInt8(ascii: "/"): value = 63
            case UInt8(ascii: "="):
                padding += 1
                continue
            default: return nil
            }
            guard padding == 0 else { return nil }
            bits = bits << 6 | value
            count += 6
            if count >= 8 {
                count -= 8
                octets.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        guard padding <= 2, let text = String(validating: octets, as: UTF8.self) else { return nil }
        let parts = text.utf8.split(
            separator: UInt8(ascii: ":"),
            maxSplits: 1,
            omittingEmptySubsequences: false
        )
        guard parts.count == 2, let name = String(parts[0]), let secret = String(parts[1]), !name.isEmpty,
            !secret.isEmpty
        else { return nil }
        self.name = name
        self.secret = secret
    }
}
