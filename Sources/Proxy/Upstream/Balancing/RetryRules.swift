// Whether a request may be sent once more.

import NIOCore

/// What is known when a request came to nothing (X17).
struct RetryQuestion {
    let error: ProxyError
    /// Whether the connection had carried an exchange before.
    var isReused = false
    /// Whether the method that was sent is idempotent, and so is the client's.
    var isIdempotent = true
    /// Whether the request has a body.
    var hasBody = false
    /// Whether any octet of that body has been sent on.
    var hasSentBody = false
    /// How often it was sent again already, and how often it may be.
    var attempts = 0
    var retries = 5

    /// What another try would cost.
    enum Price: Equatable {
        case forbidden
        /// The last one cost nobody anything: the connection was refused.
        case free
        case charged
    }

    /// Whether the same request may go to the same endpoint again.
    var mayRepeat: Bool {
        switch self.error.retry {
        case .never: false
        case .ifNothingWasSent: !self.hasSentBody && self.attempts < self.retries
        case .ifConnectionWasReused:
            self.isReused && self.isIdempotent && !self.hasBody && self.attempts < max(1, self.retries)
        }
    }

    /// Whether it may go to another target, and whether the budget is asked.
    var elsewhere: Price {
        switch self.error {
        case .connectFailed, .nameNotResolved: self.mayRepeat ? .free : .forbidden
        // Nothing was sent; the same endpoint would only be waited for again, another need not be.
        case .connectTimedOut: !self.hasSentBody && self.attempts < self.retries ? .charged : .forbidden
        default: self.mayRepeat ? .charged : .forbidden
        }
    }
}

/// How many retries an upstream's requests have earned, so that retries never become a load of their own.
struct RetryBudget: Equatable {
    /// Retries a second that are there without any request.
    static let perSecond = 10
    /// As many as can be saved.
    static let most = 100

    /// In thousandths of a retry, which add up exactly.
    private var saved = Self.perSecond * 1000
    private var since: NIODeadline?

    /// A request has come, which earns a part of a retry.
    mutating func earn(_ percent: Double) { self.save(Int(percent * 10)) }

    /// Takes a retry; false if there is none.
    mutating func spend(_ percent: Double, at now: NIODeadline) -> Bool {
        guard percent > 0 else { return false }
        if let since = self.since {
            let milliseconds = Int((now - since).nanoseconds / 1_000_000)
            guard milliseconds > 0 else { return self.take() }
            self.save(milliseconds * Self.perSecond)
        }
        self.since = now
        return self.take()
    }

    private mutating func save(_ thousandths: Int) {
        self.saved = min(Self.most * 1000, self.saved + thousandths)
    }

    private mutating func take() -> Bool {
        guard self.saved >= 1000 else { return false }
        self.saved -= 1000
        return true
    }
}
