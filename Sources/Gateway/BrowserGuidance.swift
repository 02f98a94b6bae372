// What browsers are told with every answer that is our own.
import Proxy

/// Fields of our own answers, whatever they answer: an upstream's answers are the upstream's to guard (security row V18).
struct BrowserGuidance: Sendable {
    private static let transport: FieldName = "strict-transport-security"
    private static let sniffing: FieldName = "x-content-type-options"

    /// The value of `Strict-Transport-Security` (RFC 6797 §6.1); nil for none.
    ///
    /// The host alone is meant: what lies below it may be somebody else's.
    private let hsts: String?

    init(hstsSeconds: Int) {
        self.hsts = hstsSeconds > 0 ? "max-age=\(hstsSeconds)" : nil
    }

    /// Adds them to the answer of a passage; what a plugin has said of them stays.
    func add(to passage: Passage) {
        if passage.isAtOwnPath { passage.answer.set(Self.sniffing, constant: "nosniff") }
        guard let hsts, passage.client.scheme == .https, !Self.isLocal(passage.request),
            passage.answer.value(of: Self.transport) == nil, !passage.answer.removes(Self.transport)
        else { return }
        // A name and digits: nothing that a field could not carry.
        try? passage.answer.set(Self.transport, hsts)
    }

    /// Whether the host is this machine, which serves other ports without TLS to the same browser.
    private static func isLocal(_ request: RequestHead) -> Bool {
        let host = request.hostText
        return host == "localhost" || host.hasSuffix(".localhost")
    }
}
