// What issuers said of tokens, for a short while.
import Cryptography
import JSON
import OIDC
import Synchronization

/// What became of asking an issuer about a token.
enum IssuerAnswer: Sendable {
    /// What it says, to be judged.
    case known(TokenInformation)
    /// It does not know the token, or takes it no more.
    case refused(reason: String, detail: String)

    /// About how many octets it holds.
    fileprivate var bytes: Int {
        switch self {
        case .known(let information):
            512 + information.members.approximateBytes + (information.signed?.utf8.count ?? 0)
        case .refused: 256
        }
    }

    fileprivate var isKnown: Bool { if case .known = self { true } else { false } }
}

/// An answer, and until when it stands, in seconds since 1970.
struct KeptAnswer: Sendable {
    let answer: IssuerAnswer
    let until: Double
}

/// A bounded memory of issuers' answers, for all workers and all instances, by a keyed hash of everything asked.
///
/// Refusals have a memory of their own, so that made-up tokens drive no good one out. Each has two halves: when the
/// young one is full it becomes the old one.
final class AnswerMemory: Sendable {
    private struct Halves {
        var young: [[UInt8]: KeptAnswer] = [:]
        var old: [[UInt8]: KeptAnswer] = [:]
        var youngBytes = 0

        mutating func keep(_ answer: KeptAnswer, _ key: [UInt8], halfBytes: Int) {
            if let replaced = young[key] { youngBytes -= replaced.answer.bytes }
            young[key] = answer
            youngBytes += answer.answer.bytes
            guard youngBytes > halfBytes else { return }
            old = young
            young = [:]
            youngBytes = 0
        }
    }

    private let known = Mutex(Halves())
    private let refused = Mutex(Halves())
    private let halfBytes: Int
    /// Room for 16,384 refusals in each half.
    private static let refusedHalfBytes = 4 << 20

    /// A memory of at most so many octets for what is known.
    init(maximumBytes: Int) {
        halfBytes = maximumBytes / 2
    }

    /// What is kept under `key`, unless its time is over.
    func answer(_ key: [UInt8], at now: Double) -> KeptAnswer? {
        let found =
            known.withLock { $0.young[key] ?? $0.old[key] }
            ?? refused.withLock { $0.young[key] ?? $0.old[key] }
        guard let found, found.until > now else { return nil }
        return found
    }

    /// Keeps an answer under `key`, in place of an earlier one.
    func keep(_ answer: KeptAnswer, _ key: [UInt8]) {
        if answer.answer.isKnown {
            known.withLock { $0.keep(answer, key, halfBytes: halfBytes) }
            return
        }
        known.withLock { halves in
            if let stale = halves.young.removeValue(forKey: key) { halves.youngBytes -= stale.answer.bytes }
            halves.old[key] = nil
        }
        refused.withLock { $0.keep(answer, key, halfBytes: Self.refusedHalfBytes) }
    }
}
