// Who is master by the word of the sentinels: events in, actions out; knows no socket and no clock.

/// One question at a time to one sentinel at a time, until one of them names the master.
///
/// Whoever named it last is asked first (Redis' guidelines for clients of sentinels): sentinels learn of a failover one
/// after the other, and one that knows less must not lead us back.
struct MasterSearch: Sendable {
    typealias Attempt = LinkState.Attempt
    typealias Action = LinkState.Action

    /// What came of an event.
    enum Outcome: Sendable {
        /// The question is still open.
        case going([Action])
        /// A sentinel names this server.
        case found(RedisAddress.Node, [Action])
        /// None of them does.
        case failed(LinkTrouble, [Action])
    }

    private struct Question: Sendable {
        let attempt: Attempt
        let until: Double
        /// The place of the sentinel that is asked.
        let sentinel: Int
        /// Sentinels that were asked before it.
        let tried: Int
        /// Answers that are still to come.
        var answers: Int
    }

    private let commands: [RedisCommand]
    private let count: Int
    private let seconds: Double
    /// The place of the sentinel that is asked first.
    private var first = 0
    private var question: Question?
    /// The most telling that was heard in this search.
    private var trouble: LinkTrouble?

    /// A search among these, each of which gets so many seconds.
    init(_ sentinels: RedisAddress.Sentinels, seconds: Double) {
        var commands: [RedisCommand] = []
        if let password = sentinels.password {
            let words = [RedisWord("AUTH")] + (sentinels.user.map { [RedisWord($0)] } ?? [])
            commands.append(RedisCommand(words + [RedisWord(password)]))
        }
        commands.append(RedisCommand(["SENTINEL", "get-master-addr-by-name", RedisWord(sentinels.master)]))
        self.commands = commands
        self.count = sentinels.nodes.count
        self.seconds = seconds
    }

    /// The connection to the sentinel that is asked now; nil while none is.
    var attempt: Attempt? { self.question?.attempt }
    /// Until when it has to answer.
    var until: Double? { self.question?.until }

    /// Begins anew.
    mutating func begin(_ attempts: inout Attempt, at now: Double) -> [Action] {
        let actions = self.cancel()
        self.trouble = nil
        return actions + [self.ask(after: 0, &attempts, at: now)]
    }

    private mutating func ask(after tried: Int, _ attempts: inout Attempt, at now: Double) -> Action {
        attempts += 1
        let question = Question(
            attempt: attempts,
            until: now + self.seconds,
            sentinel: (self.first + tried) % self.count,
            tried: tried,
            answers: self.commands.count
        )
        self.question = question
        return .connect(attempts, to: .sentinel(question.sentinel))
    }

    /// The connection stands.
    func connected() -> [Action] {
        guard let question = self.question else { return [] }
        return self.commands.map { .send(question.attempt, $0) }
    }

    /// An answer came.
    mutating func received(_ reply: RedisReply, _ attempts: inout Attempt, at now: Double) -> Outcome {
        guard var question = self.question else { return .going([]) }
        if let code = reply.errorCode { return self.failed(.refused(code), &attempts, at: now) }
        question.answers -= 1
        guard question.answers == 0 else {
            self.question = question
            return .going([])
        }
        if reply == .null { return self.failed(.unknownMaster, &attempts, at: now) }
        guard let node = Self.node(reply) else { return self.failed(.malformed, &attempts, at: now) }
        self.first = question.sentinel
        return .found(node, self.cancel())
    }

    /// This sentinel does not answer, or names nobody: the next is asked, if there is one.
    mutating func failed(_ trouble: LinkTrouble, _ attempts: inout Attempt, at now: Double) -> Outcome {
        guard let question = self.question else { return .going([]) }
        // Words say more than silence.
        switch self.trouble {
        case .none, .unreachable, .silent, .closed: self.trouble = trouble
        default: break
        }
        let actions = self.cancel()
        guard question.tried + 1 < self.count else { return .failed(self.trouble ?? trouble, actions) }
        return .going(actions + [self.ask(after: question.tried + 1, &attempts, at: now)])
    }

    /// Asks nobody any more.
    mutating func cancel() -> [Action] {
        guard let question = self.question else { return [] }
        self.question = nil
        return [.close(question.attempt)]
    }

    /// Lets the next one be asked first.
    mutating func turn() { self.first = (self.first + 1) % self.count }

    /// Host and port, which come as two texts; nil for what is none.
    private static func node(_ reply: RedisReply) -> RedisAddress.Node? {
        guard let elements = reply.elements, elements.count == 2, let host = elements[0].text,
            let port = elements[1].text.flatMap({ Int($0) }), (1...65_535).contains(port), !host.isEmpty,
            host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { return nil }
        return RedisAddress.Node(host: host, port: port)
    }
}
