// The book of one connection to Redis: events in, actions out; knows no socket and no clock.

/// The book of a connection: who waits for which answer, and what becomes of them when it ends.
///
/// Commands are answered in the order in which they are sent, so that a queue of names is enough. One that may be
/// repeated goes to the next connection when its own ends before the answer (a pooled connection that the server has
/// given up shows itself only then), once; others are told that their connection was lost. While no connection
/// comes about, commands fail at once.
///
/// Where sentinels name the server they are asked first (`MasterSearch`), and again and again while the link is up: a
/// master that is cut off from them does not know that it is none any more.
struct LinkState: Sendable {
    /// What a connection is called; each attempt has another number.
    typealias Attempt = UInt64
    /// What a command is called.
    typealias CommandID = UInt64

    /// Where a connection leads.
    enum Destination: Equatable, Sendable {
        /// To the one server of the address.
        case address
        /// To the sentinel at this place among those of the address.
        case sentinel(Int)
        /// To the server that a sentinel named.
        case master(RedisAddress.Node)
    }

    /// What the owner has to do.
    enum Action: Equatable, Sendable {
        case connect(Attempt, to: Destination = .address)
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
        /// Sentinels are asked where to connect.
        case searching
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
    /// The sentinels, where there are some.
    private var search: MasterSearch?
    /// Whom they named, to whom we connect or are connected.
    private var master: RedisAddress.Node?
    /// When they are asked the next time.
    private var lookAt = Double.infinity
    /// Who answered the last greeting.
    private var greeted: RedisAddress.Node?
    /// What the next master has to hear again, with the time when it was sent.
    private var recalled = Queue<(command: RedisCommand, at: Double)>()

    /// A link that greets with these commands: who we are, and which database.
    ///
    /// - Parameter sentinels: those who name the server; nil where the address does.
    init(limits: LinkLimits, greeting: [RedisCommand], sentinels: RedisAddress.Sentinels? = nil) {
        self.limits = limits
        self.search = sentinels.map { MasterSearch($0, seconds: limits.sentinelSeconds) }
        self.greeting = greeting + [.ping] + (sentinels == nil ? [] : [.role])
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
        if case .up(let attempt) = self.phase { return [self.send(entry, attempt, at: now)] }
        self.waiting.append(entry)
        return self.phase == .resting ? self.connect(at: now) : []
    }

    /// Connects, if nobody has wanted anything yet.
    mutating func start(at now: Double) -> [Action] {
        self.phase == .resting ? self.connect(at: now) : []
    }

    private mutating func send(_ entry: Entry, _ attempt: Attempt, at now: Double) -> Action {
        if entry.command.outlivesFailover, self.search != nil {
            self.recalled.append((entry.command, now))
            if self.recalled.count > self.limits.recalled { _ = self.recalled.popFirst() }
        }
        var entry = entry
        entry.wasSent = true
        self.sent.append(entry)
        return .send(attempt, entry.command)
    }

    // MARK: The connection

    private mutating func connect(at now: Double) -> [Action] {
        guard self.search != nil else { return self.connect(to: .address, at: now) }
        self.phase = .searching
        return self.search?.begin(&self.attempts, at: now) ?? []
    }

    private mutating func connect(to destination: Destination, at now: Double) -> [Action] {
        self.attempts += 1
        self.phase = .connecting(self.attempts, until: now + self.limits.connectSeconds)
        return [.connect(self.attempts, to: destination)]
    }

    /// What came of asking the sentinels: to connect, or to stay, or to leave a server that is no master any more.
    private mutating func settle(_ outcome: MasterSearch.Outcome?, at now: Double) -> [Action] {
        switch outcome {
        case .none: return []
        case .going(let actions): return actions
        case .found(let node, let actions):
            self.lookAt = now + self.limits.watchSeconds
            if self.phase == .searching {
                self.master = node
                return actions + self.connect(to: .master(node), at: now)
            }
            guard case .up(let attempt) = self.phase, node != self.master else { return actions }
            return actions + [.close(attempt)] + self.lost(at: now)
        case .failed(let trouble, let actions):
            // A master that answers is not left for sentinels that do not.
            self.lookAt = now + self.limits.watchSeconds
            guard self.phase == .searching else { return actions }
            return actions + self.failed(.sentinel(trouble), at: now)
        }
    }

    /// A connection stands.
    mutating func connected(_ attempt: Attempt, at now: Double) -> [Action] {
        if let search = self.search, search.attempt == attempt { return search.connected() }
        guard case .connecting(attempt, let until) = self.phase else { return [.close(attempt)] }
        self.phase = .greeting(attempt, until: until, answers: self.greeting.count)
        return self.greeting.map { .send(attempt, $0) }
    }

    /// A connection ended, or did not come about.
    mutating func ended(_ attempt: Attempt, _ trouble: LinkTrouble, at now: Double) -> [Action] {
        if self.search?.attempt == attempt {
            return self.settle(self.search?.failed(trouble, &self.attempts, at: now), at: now)
        }
        switch self.phase {
        case .connecting(attempt, _), .greeting(attempt, _, _): return self.failed(trouble, at: now)
        case .up(attempt): return self.lost(at: now)
        case .connecting, .greeting, .up, .resting, .searching, .pausing, .stopped: return []
        }
    }

    /// An attempt came to nothing: from now on nobody waits.
    private mutating func failed(_ trouble: LinkTrouble, at now: Double) -> [Action] {
        self.failures += 1
        // Whoever named a server that is none may know less than the next.
        self.search?.turn()
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
        if self.search?.attempt == attempt {
            return self.settle(self.search?.received(reply, &self.attempts, at: now), at: now)
        }
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
            guard self.search == nil || reply.elements?.first?.text == "master" else {
                return [.close(attempt)] + self.failed(.notMaster, at: now)
            }
            return self.greeted(attempt, at: now)
        case .up(attempt):
            guard let entry = self.sent.popFirst() else {
                return [.close(attempt)] + self.lost(at: now)
            }
            return self.answer(entry, reply, attempt, at: now)
        case .connecting, .greeting, .up, .resting, .searching, .pausing, .stopped: return []
        }
    }

    private mutating func greeted(_ attempt: Attempt, at now: Double) -> [Action] {
        self.phase = .up(attempt)
        self.upSince = now
        self.failures = 0
        self.isKnownDown = false
        self.lookAt = now + self.limits.watchSeconds
        var actions: [Action] = [.tellUp] + self.recall(attempt, at: now)
        while let entry = self.waiting.popFirst() { actions.append(self.send(entry, attempt, at: now)) }
        return actions
    }

    /// Tells a new master again what the former one may have taken with it, before anybody asks it anything.
    private mutating func recall(_ attempt: Attempt, at now: Double) -> [Action] {
        defer { self.greeted = self.master }
        guard let former = self.greeted, former != self.master else { return [] }
        var actions: [Action] = []
        for _ in 0..<self.recalled.count {
            guard let (command, at) = self.recalled.popFirst(), now - at <= self.limits.recallSeconds else {
                continue
            }
            let entry = Entry(id: nil, command: command, deadline: now + self.limits.commandSeconds)
            actions.append(self.send(entry, attempt, at: at))
        }
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
        guard case .error(let text) = reply, let code = reply.errorCode else {
            return entry.id.map { [.succeed($0, reply)] } ?? []
        }
        let error = Redirection(error: text).map(StoreError.redirected) ?? .refused(code)
        let failure = entry.id.map { [Action.fail($0, error)] } ?? []
        guard Self.elsewhere.contains(code) else { return failure }
        return failure + [.close(attempt)] + self.lost(at: now)
    }

    // MARK: Time

    /// Looks at what is due.
    mutating func tick(at now: Double) -> [Action] {
        var actions: [Action] = []
        if let until = self.search?.until, now >= until {
            actions = self.settle(self.search?.failed(.silent, &self.attempts, at: now), at: now)
        }
        actions += self.tickPhase(at: now)
        // Whether the master is one still.
        guard case .up = self.phase, now >= self.lookAt, self.search?.attempt == nil else { return actions }
        return actions + (self.search?.begin(&self.attempts, at: now) ?? [])
    }

    private mutating func tickPhase(at now: Double) -> [Action] {
        switch self.phase {
        case .resting, .stopped: return []
        case .searching: return self.expired(at: now)
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
        return [self.send(entry, attempt, at: now)]
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
        case .searching: min(self.search?.until ?? .infinity, self.waiting.first?.deadline ?? .infinity)
        case .pausing(let until): until
        case .connecting(_, let until), .greeting(_, let until, _):
            min(until, self.waiting.first?.deadline ?? .infinity)
        case .up:
            min(
                self.sent.first?.deadline ?? (self.heardAt + self.limits.quietSeconds),
                self.search == nil ? .infinity : self.search?.until ?? self.lookAt
            )
        }
    }

    /// Ends the link; nothing is done any more.
    mutating func stop() -> [Action] {
        var actions = self.search?.cancel() ?? []
        switch self.phase {
        case .connecting(let attempt, _), .greeting(let attempt, _, _), .up(let attempt):
            actions.append(.close(attempt))
        case .resting, .searching, .pausing, .stopped: break
        }
        self.phase = .stopped
        while let entry = self.sent.popFirst() { if let id = entry.id { actions.append(.fail(id, .lost)) } }
        while let entry = self.waiting.popFirst() {
            if let id = entry.id { actions.append(.fail(id, entry.wasSent ? .lost : .notConnected)) }
        }
        return actions
    }
}
