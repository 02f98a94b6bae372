// What was judged of a connection's certificate, kept for as long as that holds.
import Gateway
import Synchronization

/// The latest verdicts over one certificate.
final class CertificateVerdicts: Sendable {
    /// Who it is, and the seconds since 1970 at which the certificates that say so end.
    typealias Verdict = Result<(identity: Identity, end: Double), Refusal>

    private struct Entry {
        let judge: MutualTLS
        let verdict: Verdict
        let holds: Range<Double>
    }

    /// As many rules a connection meets at once; the oldest goes.
    private static let longest = 4
    private let entries = Mutex<[Entry]>([])

    /// What that judge has said, if it still holds.
    func verdict(of judge: MutualTLS, at now: Double) -> Verdict? {
        entries.withLock { entries in
            entries.first { $0.judge === judge && $0.holds.contains(now) }?.verdict
        }
    }

    func note(_ verdict: Verdict, of judge: MutualTLS, holds: Range<Double>) {
        entries.withLock { entries in
            entries.removeAll { $0.judge === judge }
            if entries.count >= Self.longest { entries.removeFirst() }
            entries.append(Entry(judge: judge, verdict: verdict, holds: holds))
        }
    }
}
