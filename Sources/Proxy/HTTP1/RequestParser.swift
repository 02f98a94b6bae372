// A client's octets to a request head, without a String.

/// Collects octets until a head is whole, then parses and guards it; holds the head, reused for each request.
struct RequestParser: Sendable {
    /// What a call of `advance` came to.
    enum Outcome: Equatable {
        /// More octets are needed.
        case incomplete
        /// The head is whole; it took so many of all octets fed since `reset`.
        case complete(Int)
        /// The connection has to be closed with this.
        case refused(RequestRefusal)
    }

    let limits: ProxyLimits
    /// The head; complete only after `.complete`.
    var head = RequestHead()
    private var scanned = 0
    private var firstLineEnd: Int?

    init(limits: ProxyLimits) { self.limits = limits }

    /// How many octets have been fed and not yet given a verdict.
    var fed: Int { self.head.fields.bytes.count }

    /// Makes ready for the next head; keeps the storage.
    mutating func reset() {
        self.head.fields.reset()
        self.scanned = 0
        self.firstLineEnd = nil
    }

    /// Takes octets from the connection; at most `limits.headBytes` beyond what is needed.
    mutating func feed(_ octets: some Collection<UInt8>) {
        self.head.fields.bytes.append(contentsOf: octets)
    }

    /// Looks whether the head is whole.
    mutating func advance() -> Outcome {
        let end: Int
        switch FieldScanner.findEnd(
            self.head.fields.bytes.span,
            from: self.scanned,
            firstLineEnd: self.firstLineEnd
        )
        {
        case .bareLineFeed: return .refused(self.isLineTooLong ? .targetTooLong : .malformed(.lineEnd))
        case .notYet(let firstLineEnd):
            self.scanned = self.fed
            self.firstLineEnd = firstLineEnd
            return self.verdictOnPart()
        case .at(let found): end = found
        }
        guard end <= self.limits.headBytes else { return .refused(.headTooLarge) }
        if self.fed > end { self.head.fields.bytes.removeLast(self.fed - end) }
        do throws(RequestRefusal) {
            try RequestGuard.admit(&self.head, limits: self.limits)
            return .complete(end)
        } catch {
            return .refused(error)
        }
    }

    private var isLineTooLong: Bool {
        self.firstLineEnd == nil && self.fed > self.limits.lineBytes
    }

    /// Refuses early what cannot become a head any more.
    private func verdictOnPart() -> Outcome {
        if self.isLineTooLong { return .refused(.targetTooLong) }
        if self.fed >= self.limits.headBytes { return .refused(.headTooLarge) }
        guard let first = self.head.fields.bytes.first else { return .incomplete }
        guard Octet.isToken(first) || first == Octet.carriageReturn else {
            return .refused(.malformed(.requestLine))
        }
        return .incomplete
    }
}
