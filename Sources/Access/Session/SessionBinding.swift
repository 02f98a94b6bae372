// A session that counts only with the client that began it.
import Cryptography
import Gateway
import JSON
import Proxy

/// Which facts of a client a session is bound to (`session_bind`).
struct SessionBinding: Sendable, Equatable {
    /// One fact.
    enum Fact: String, Sendable, CaseIterable {
        case ip, scheme
        case userAgent = "user-agent"
    }

    /// Each once, in one order, whatever was written.
    let facts: [Fact]

    /// Reads the settings; other words are refused before.
    init(_ settings: Settings) {
        let words = settings.strings("session_bind") ?? []
        facts = Fact.allCases.filter { words.contains($0.rawValue) }
    }

    /// What a session of this client says: a hash, so that the cookie does not grow with the client's words.
    ///
    /// - Returns: nil where a session is bound to nothing.
    /// - Throws: where no digest can be had; then no session counts.
    func text(_ passage: Passage) throws(CryptoError) -> String? {
        guard !facts.isEmpty else { return nil }
        let values = facts.map { fact in
            switch fact {
            case .ip: passage.client.address.description
            case .scheme: passage.client.scheme.rawValue
            case .userAgent: SealedCookie.tuple(passage.request.fields.strings(of: .userAgent))
            }
        }
        let names = facts.map(\.rawValue)
        return Hexadecimal.encode(try Digest.sha256.hash(utf8: SealedCookie.tuple(names + values))[..<16])
    }
}

extension OpenIDConnect {
    /// A session that begins now, bound to the client of the request; any other stays as it is.
    ///
    /// One that was used before is not: whoever shows it first would have it bound to himself.
    func bound(_ session: Session, _ passage: Passage) -> Session {
        guard session.binding == nil, session.usedAt == session.createdAt else { return session }
        var session = session
        session.binding = (try? settings.sessionBinding.text(passage)) ?? nil
        return session
    }

    /// Whether a session counts with the client of the request; one that should be bound and is not counts with nobody.
    func isBound(_ session: Session, _ passage: Passage) -> Bool {
        guard !settings.sessionBinding.facts.isEmpty else { return true }
        guard let here = try? settings.sessionBinding.text(passage), let there = session.binding else {
            return false
        }
        return here.isIdentical(toUTF8Of: there)
    }

    /// Goes on as if there were no session: whoever else may use its cookie goes on with it.
    func withoutBoundSession(_ passage: Passage) throws(Refusal) -> Step {
        passage.reason = "session-bound-elsewhere"
        dropSessionCookies(passage)
        return try withoutSession(passage)
    }
}
