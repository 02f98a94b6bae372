// Upstreams of a configuration as the data plane takes them.
import Proxy

/// What a route's requests need besides their terms, where their upstream has several targets.
struct PlannedBalancing: Sendable {
    /// What is hashed; nil where the upstream does not hash.
    let hash: HashRule?
    let hostHeader: [UInt8]?
    /// The cookie that tells which target a client is with.
    let stickyCookie: String?

    init(_ upstream: Upstream) {
        self.hash =
            upstream.rules.algorithm == .consistentHashing
            ? upstream.hashOn.map { HashRule(source: $0, fallback: upstream.hashFallback) } : nil
        self.stickyCookie = upstream.rules.stickyCookie?.name
        self.hostHeader = upstream.rules.hostHeader.map { Array($0.utf8) }
    }

    /// Fills in what the upstream asks for.
    func shape(_ order: inout ForwardOrder, _ passage: Passage) {
        if let host = self.hostHeader, order.words.host == nil { order.words.host = host }
        if let name = self.stickyCookie {
            order.hash = HashRule.cookie(name, passage).flatMap { StickyCookie.number($0) }
        } else {
            order.hash = self.hash?.number(passage)
        }
    }
}

/// Makes a number of what a request is hashed by.
struct HashRule: Sendable {
    let source: HashSource
    let fallback: HashSource?

    /// The number; nil if the request has nothing of it.
    func number(_ passage: Passage) -> UInt64? {
        Self.number(self.source, passage) ?? self.fallback.flatMap { Self.number($0, passage) }
    }

    private static func number(_ source: HashSource, _ passage: Passage) -> UInt64? {
        switch source {
        case .ip: return StableHash(passage.client.address.description.utf8).number
        case .path: return StableHash(passage.request.path).number
        case .consumer:
            let identity = passage.identity
            let name = identity?.consumer?.id ?? identity?.credentialIdentifier ?? identity?.subject
            return name.map { StableHash($0.utf8).number }
        case .header(let name):
            let values = passage.request.fields.strings(of: name)
            return values.isEmpty ? nil : StableHash(values.joined(separator: ",").utf8).number
        case .queryArgument(let name):
            guard let query = passage.request.query else { return nil }
            let values = QueryKeys(query).values(of: name)
            return values.isEmpty ? nil : StableHash(values.joined(separator: [UInt8(ascii: ",")])).number
        case .capture(let name):
            guard let match = passage.match else { return nil }
            let value = passage.plan.router.capture(name, of: match, in: passage.request.path)
            return value.map { StableHash($0).number }
        case .cookie(let name, let path):
            let value = Self.cookie(name, passage) ?? Self.newCookie(name, path, passage)
            return value.map { StableHash($0.utf8).number }
        }
    }

    /// The value of a cookie; nil if there is none.
    static func cookie(_ name: String, _ passage: Passage) -> String? {
        for field in passage.request.fields.strings(of: .cookie) {
            for pair in field.split(separator: ";") {
                let trimmed = pair.drop { $0 == " " || $0 == "\t" }
                if trimmed.hasPrefix("\(name)=") { return String(trimmed.dropFirst(name.count + 1)) }
            }
        }
        return nil
    }

    /// Sets the cookie for a client that has none; its value names nobody.
    private static func newCookie(_ name: String, _ path: String, _ passage: Passage) -> String? {
        let bits = passage.worker.nextBits()
        let value = String(bits.high, radix: 36) + String(bits.low, radix: 36)
        let secure = passage.client.scheme == .https ? "; Secure" : ""
        let cookie = "\(name)=\(value); Path=\(path); HttpOnly; SameSite=Lax\(secure)"
        guard (try? passage.answer.append(.setCookie, cookie)) != nil else { return nil }
        return value
    }
}

extension TargetGroup {
    /// What an upstream's group may be called for a service: its name, with the protocol if that is not http, and a
    /// number if services differ in how they speak it.
    static func names(of upstream: String, for service: Service?) -> some Sequence<String> {
        let name: String
        switch (service?.speaksHTTP2 ?? false, service?.speaksTLS ?? false) {
        case (false, false): name = upstream
        case (true, false): name = "\(upstream) (grpc)"
        case (false, true): name = "\(upstream) (https)"
        case (true, true): name = "\(upstream) (grpcs)"
        }
        return (1...).lazy.map { $0 == 1 ? name : "\(name) \($0)" }
    }
}
