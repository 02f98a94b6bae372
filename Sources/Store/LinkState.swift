// The book of one connection to Redis: events in, actions out; knows no socket and no clock.

/// How long things may take, and how much may wait.
package struct LinkLimits: Sendable, Equatable {
    /// Seconds until a connection must stand and its greeting be answered.
    package var connectSeconds = 2.0
    /// Seconds until a command must be answered, waiting for its turn included.
    package var commandSeconds = 2.0
    /// Most commands that wait for an answer; more are refused.
    package var waiting = 16_384
    /// Seconds of silence after which the server is asked whether it is still there.
    package var quietSeconds = 5.0
    /// Seconds between attempts to connect: the first pause, doubled up to the last.
    package var pauses = 0.05...0.5

    /// The usual limits.
    package init() {}
}

/// Why a link is down, for logs.
package enum LinkTrouble: Sendable, Equatable {
    /// Nobody answers at the address.
    case unreachable
    /// It did not answer in time.
    case silent
    /// The connection ended.
    case closed
    /// It answered the greeting with an error; its first word.
    case refused(String)
    /// What it said is no RESP.
    case malformed

    /// A word for logs.
    package var reason: String {
        switch self {
        case .unreachable: "unreachable"
        case .silent: "timed-out"
        case .closed: "connection-lost"
        case .refused(let code): "refused-\(code.lowercased())"
        case .malformed: "malformed-reply"
        }
    }
}

/// The book of a connection: who waits for which answer, and what becomes of them when it ends.
///
/// Commands are answered in the order in which they are sent, so that a queue of names is enough. One that may be
/// repeated goes to the next connection when its own ends before the answer (a pooled connection that the server has
/// given up shows itself only then), once; others are told that their connection was lost. While no connection
/// comes about, commands fail at once.
struct LinkState: Sendable {
    /// What a connection is called; each attempt has another number.
    typealias Attempt = UInt64
    /// What a command is called.
    typealias CommandID = UInt64

    /// What the owner has to do.
    enum Action: Equatable, Sendable {
        case connect(Attempt)
        case send(Attempt, RedisCommand)
        case close(Attempt)
        case succeed(CommandID, RedisReply)
        case fail(CommandID, StoreError)
        /// The link is there, or there again.
        case tellUp
        /// The link is gone, and the next one does not come about.
        case tellDown(LinkTrouble)
    }

    private enum Phase: Equatable, Sendable {
        /// Nothing was wanted yet.
        case resting
        case connecting(Attempt, until: Double)
        /// So many answers of the greeting are still to come.
        case greeting(Attempt, until: Double, answers: Int)
        case up(Attempt)
        case pausing(until: Double)
        case stopped
    }

    private struct Entry: Equatable, Sendable {
        /// Nil for a question of the link itself.
        let id: CommandID?
        let command: RedisCommand
        let deadline: Double
        var wasSent = false
    }

    private let limits: LinkLimits
    private let greeting: [RedisCommand]
    private var phase = Phase.resting
    private var attempts: Attempt = 0
    /// Sent, and not yet answered; the front is answered next.
    private var sent = Queue<Entry>()
    /// Not yet sent.
    private var waiting = Queue<Entry>()
    /// Attempts in a row that came to nothing.
    private var failures = 0
    private var isKnownDown = false
    private var upSince: Double?
    private var heardAt = 0.0

    /// A link that greets with these commands: who we are, and which database.
    init(limits: LinkLimits, greeting: [RedisCommand]) {
        self.limits = limits
        self.greeting = greeting + [.ping]
    }

    /// Whether commands fail at once because no connection comes about.
    var isDown: Bool { self.isKnownDown }

    /// How many commands wait.
    var count: Int { self.sent.count + self.waiting.count }

    // MARK: Commands

    /// Somebody wants an answer.
    mutating func submit(_ id: CommandID, _ command: RedisCommand, at now: Double) -> [Action] {
        guard self.phase != .stopped, !self.isKnownDown else { return [.fail(id, .notConnected)] }
        guard self.count < self.limits.waiting else { return [.fail(id, .busy)] }
        let entry = Entry(id: id, command: command, deadline: now + self.limits.commandSeconds)
        if case .up(let attempt) = self.phase { return [self.send(entry, attempt)] }
        self.waiting.append(entry)
        return self.phase == .resting ? self.connect(at: now) : []
    }

    /// Connects, if nobody has wanted anything yet.
    mutating func start(at now: Double) -> [Action] {
        self.phase == .resting ? self.connect(at: now) : []
    }

    private mutating func send(_ entry: Entry, _ attempt: Attempt) -> Action {
        var entry = entry
        entry.wasSent = true
        self.sent.append(entry)
        return .send(attempt, entry.command)
    }

    // MARK: The connection

    private mutating func connect(at now: Double) -> [Action] {
        self.attempts += 1
        self.phase = .connecting(self.attempts, until: now + self.limits.connectSeconds)
        return [.connect(self.attempts)]
    }

    /// A connection stands.
    mutating func connected(_ attempt: Attempt, at now: Double) -> [Action] {
        guard case .connecting(attempt, let until) = self.phase else { return [.close(attempt)] }
        self.phase = .greeting(attempt, until: until, answers: self.greeting.count)
        return self.greeting.map { .send(attempt, $0) }
    }

    /// A connection ended, or did not come about.
    mutating func ended(_ attempt: Attempt, _ trouble: LinkTrouble, at now: Double) -> [Action] {
        switch self.phase {
        case .connecting(attempt, _), .greeting(attempt, _, _): return self.failed(trouble, at: now)
        case .up(attempt): return self.lost(at: now)
        case .connecting, .greeting, .up, .resting, .pausing, .stopped: return []
        }
    }

    /// An attempt came to nothing: from now on nobody waits.
    private mutating func failed(_ trouble: LinkTrouble, at now: Double) -> [Action] {
        self.failures += 1
        let pause = self.limits.pauses.lowerBound * Double(1 << min(self.failures - 1, 16))
        self.phase = .pausing(until: now + min(pause, self.limits.pauses.upperBound))
        var actions: [Action] = []
        while let entry = self.waiting.popFirst() {
            guard let id = entry.id else { continue }
            actions.append(.fail(id, entry.wasSent ? .lost : .notConnected))
        }
        if !self.isKnownDown {
            self.isKnownDown = true
            actions.append(.tellDown(trouble))
        }
        return actions
    }

    /// A connection that stood is gone: what may be repeated waits for the next one, in its order.
    private mutating func lost(at now: Double) -> [Action] {
        var actions: [Action] = []
        var again = Queue<Entry>()
        while let entry = self.sent.popFirst() {
            guard let id = entry.id else { continue }
            if entry.command.isRepeatable, now < entry.deadline, !self.isShortLived(at: now) {
                again.append(entry)
            } else {
                actions.append(.fail(id, .lost))
            }
        }
        while let entry = self.waiting.popFirst() { again.append(entry) }
        self.waiting = again
        guard !self.isShortLived(at: now) else { return actions + self.failed(.closed, at: now) }
        return actions + self.connect(at: now)
    }

    /// Whether the connection lasted so briefly that the next one would most likely fare the same.
    private func isShortLived(at now: Double) -> Bool { now - (self.upSince ?? now) < 0.25 }

    /// An answer came.
    mutating func received(_ reply: RedisReply, _ attempt: Attempt, at now: Double) -> [Action] {
        self.heardAt = now
        switch self.phase {
        case .greeting(attempt, let until, let answers):
            if let code = reply.errorCode {
                return [.close(attempt)] + self.failed(.refused(code), at: now)
            }
            guard answers == 1 else {
                self.phase = .greeting(attempt, until: until, answers: answers - 1)
                return []
            }
            return self.greeted(attempt, at: now)
        case .up(attempt):
            guard let entry = self.sent.popFirst() else {
                return [.close(attempt)] + self.lost(at: now)
            }
            return self.answer(entry, reply, attempt, at: now)
        case .connecting, .greeting, .up, .resting, .pausing, .stopped: return []
        }
    }

    private mutating func greeted(_ attempt: Attempt, at now: Double) -> [Action] {
        self.phase = .up(attempt)
        self.upSince = now
        self.failures = 0
        self.isKnownDown = false
        var actions: [Action] = [.tellUp]
        while let entry = self.waiting.popFirst() { actions.append(self.send(entry, attempt)) }
        return actions
    }

    /// Errors by which a server says that it is not the one to be asked: the next connection may find another.
    private static let elsewhere: Set<String> = ["READONLY", "LOADING", "MASTERDOWN", "NOAUTH"]

    private mutating func answer(
        _ entry: Entry,
        _ reply: RedisReply,
        _ attempt: Attempt,
        at now: Double
    ) -> [Action] {
        guard let code = reply.errorCode else { return entry.id.map { [.succeed($0, reply)] } ?? [] }
        let failure = entry.id.map { [Action.fail($0, .refused(code))] } ?? []
        guard Self.elsewhere.contains(code) else { return failure }
        return failure + [.close(attempt)] + self.lost(at: now)
    }

    // MARK: Time

    /// Looks at what is due.
    mutating func tick(at now: Double) -> [Action] {
        switch self.phase {
        case .resting, .stopped: return []
        case .pausing(let until): return now >= until ? self.connect(at: now) : []
        case .connecting(let attempt, let until), .greeting(let attempt, let until, _):
            guard now >= until else { return self.expired(at: now) }
            return [.close(attempt)] + self.failed(.silent, at: now)
        case .up(let attempt): return self.watch(attempt, at: now)
        }
    }

    /// A connection on which an answer is overdue is none: nobody knows what its next answer would answer.
    private mutating func watch(_ attempt: Attempt, at now: Double) -> [Action] {
        if let first = self.sent.first {
            guard now >= first.deadline else { return [] }
            var actions: [Action] = [.close(attempt)]
            while let entry = self.sent.first, now >= entry.deadline {
                _ = self.sent.popFirst()
                if let id = entry.id { actions.append(.fail(id, .timedOut)) }
            }
            return actions + self.lost(at: now)
        }
        guard now - self.heardAt >= self.limits.quietSeconds else { return [] }
        let entry = Entry(id: nil, command: .ping, deadline: now + self.limits.commandSeconds)
        return [self.send(entry, attempt)]
    }

    private mutating func expired(at now: Double) -> [Action] {
        var actions: [Action] = []
        while let entry = self.waiting.first, now >= entry.deadline {
            _ = self.waiting.popFirst()
            if let id = entry.id { actions.append(.fail(id, entry.wasSent ? .lost : .notConnected)) }
        }
        return actions
    }

    /// When `tick` has something to do at the earliest; nil for never.
    var nextTick: Double? {
        switch self.phase {
        case .resting, .stopped: nil
        case .pausing(let until): until
        case .connecting(_, let until), .greeting(_, let until, _):
            min(until, self.waiting.first?.deadline ?? .infinity)
        case .up: self.sent.first?.deadline ?? (self.heardAt + self.limits.quietSeconds)
        }
    }

    /// Ends the link; nothing is done any more.
    mutating func stop() -> [Action] {
        var actions: [Action] = []
        switch self.phase {
        case .connecting(let attempt, _), .greeting(let attempt, _, _), .up(let attempt):
            actions.append(.close(attempt))
        case .resting, .pausing, .stopped: break
        }
        self.phase = .stopped
        while let entry = self.sent.popFirst() { if let id = entry.id { actions.append(.fail(id, .lost)) } }
        while let entry = self.waiting.popFirst() {
            if let id = entry.id { actions.append(.fail(id, entry.wasSent ? .lost : .notConnected)) }
        }
        return actions
    }
}

/// First in, first out.
struct Queue<Element: Sendable>: Sendable {
    private var elements: [Element] = []
    private var start = 0

    var count: Int { self.elements.count - self.start }
    var first: Element? { self.start < self.elements.count ? self.elements[self.start] : nil }

    mutating func append(_ element: Element) { self.elements.append(element) }

    mutating func popFirst() -> Element? {
        guard self.start < self.elements.count else { return nil }
        let element = self.elements[self.start]
        self.start += 1
        if self.start == self.elements.count {
            self.elements.removeAll(keepingCapacity: true)
            self.start = 0
        } else if self.start >= 1024 {
            self.elements.removeFirst(self.start)
            self.start = 0
        }
        return element
    }
}
