// Asks targets for their health, beside the clients' requests.

import NIOCore

/// When each target is to be checked next: times in, targets out.
struct ProbeSchedule {
    private struct Entry {
        let endpoint: Endpoint
        var due: NIODeadline
        var isUnderWay = false
    }

    private var entries: [Entry] = []

    /// The targets whose check begins now, as many as may be under way.
    mutating func due(
        _ targets: [Target],
        _ checks: ActiveChecks,
        at now: NIODeadline,
        state: (Endpoint) -> TargetHealth.State?
    ) -> [Endpoint] {
        self.entries.removeAll { entry in !targets.contains { $0.endpoint == entry.endpoint } }
        for target in targets where !self.entries.contains(where: { $0.endpoint == target.endpoint }) {
            self.entries.append(Entry(endpoint: target.endpoint, due: now))
        }
        var room = checks.concurrency - self.entries.count(where: \.isUnderWay)
        var begun: [Endpoint] = []
        for index in self.entries.indices where !self.entries[index].isUnderWay {
            let isHealthy = state(self.entries[index].endpoint) == .healthy
            let seconds = isHealthy ? checks.healthySeconds : checks.unhealthySeconds
            guard seconds > 0 else { continue }
            // A target that has just fallen is not left alone as long as a healthy one.
            self.entries[index].due = min(self.entries[index].due, now + TimeAmount(seconds: seconds))
            guard room > 0, self.entries[index].due <= now else { continue }
            self.entries[index].isUnderWay = true
            self.entries[index].due = now + TimeAmount(seconds: seconds)
            begun.append(self.entries[index].endpoint)
            room -= 1
        }
        return begun
    }

    /// A check has ended.
    mutating func ended(_ endpoint: Endpoint) {
        guard let index = self.entries.firstIndex(where: { $0.endpoint == endpoint }) else { return }
        self.entries[index].isUnderWay = false
    }
}

/// Makes the checks of one upstream, on one worker.
final class Prober {
    typealias Result = (Endpoint, HealthEvidence) -> Void

    private unowned let worker: Worker
    private var schedule = ProbeSchedule()
    private var isStopped = false

    init(worker: Worker) { self.worker = worker }

    func stop() { self.isStopped = true }

    /// Begins the checks that are due; each gives its evidence to `then`.
    func check(
        _ group: TargetGroup,
        at now: NIODeadline,
        state: (Endpoint) -> TargetHealth.State?,
        then: @escaping Result
    ) {
        let checks = group.rules.active
        for endpoint in self.schedule.due(group.targets, checks, at: now, state: state) {
            self.probe(endpoint, group.rules) { evidence in
                self.schedule.ended(endpoint)
                guard !self.isStopped, let evidence else { return }
                then(endpoint, evidence)
            }
        }
    }

    /// Asks one target; gives nil where its answer says nothing.
    private func probe(
        _ endpoint: Endpoint,
        _ rules: BalancingRules,
        then: @escaping (HealthEvidence?) -> Void
    ) {
        let limit = TimeAmount(seconds: rules.active.timeoutSeconds)
        let end = self.worker.eventLoop.makePromise(of: HealthEvidence?.self)
        let question = ProbeQuestion.octets(endpoint, rules)
        let speaker = ProbeSpeaker(question: question, limits: rules.active.limits, end: end)
        let made = self.worker.dialer.dial(endpoint, speaker, limit)
        let alarm = self.worker.eventLoop.scheduleTask(in: limit) { end.succeed(.timeout) }
        made.whenComplete { result in
            switch result {
            case .success: if question == nil { end.succeed(.success) }
            case .failure(let error):
                end.succeed(UpstreamPool.proxyError(error).evidence(isReused: false) ?? .tcpFailure)
            }
        }
        end.futureResult.assumeIsolated().whenComplete { result in
            alarm.cancel()
            made.whenSuccess { $0.close(promise: nil) }
            then((try? result.get()) ?? nil)
        }
    }
}

/// What an http check sends.
enum ProbeQuestion {
    /// A GET of the path; nil where a connection is all that is wanted.
    static func octets(_ endpoint: Endpoint, _ rules: BalancingRules) -> [UInt8]? {
        guard case .http(let path, let fields) = rules.active.kind else { return nil }
        let host = rules.hostHeader ?? endpoint.description
        var text = "GET \(path) HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n"
        for field in fields { text += "\(field)\r\n" }
        return Array("\(text)\r\n".utf8)
    }

    /// The status in an answer's first line; nil for what is none.
    static func status(_ line: some Collection<UInt8>) -> Int? {
        let line = Array(line)
        guard line.count >= 12, line.starts(with: Array("HTTP/1.".utf8)), line[8] == Octet.space,
            line.count == 12 || line[12] == Octet.space || line[12] == Octet.carriageReturn
        else { return nil }
        var status = 0
        for octet in line[9..<12] {
            guard (0x30...0x39).contains(octet) else { return nil }
            status = status * 10 + Int(octet - 0x30)
        }
        return status
    }
}

/// Asks, and reads the first line of the answer; where there is nothing to ask, the connection says it all.
private final class ProbeSpeaker: UpstreamSpeaker, ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let longestLine = 4096

    private let question: [UInt8]?
    private let limits: HealthLimits
    private let end: EventLoopPromise<HealthEvidence?>
    private var line: [UInt8] = []
    private var hasAsked = false

    init(question: [UInt8]?, limits: HealthLimits, end: EventLoopPromise<HealthEvidence?>) {
        self.question = question
        self.limits = limits
        self.end = end
    }

    func install(on channel: any Channel) throws { try channel.pipeline.syncOperations.addHandler(self) }

    func handlerAdded(context: ChannelHandlerContext) {
        // Where a handshake came first.
        if context.channel.isActive { self.ask(context) }
    }

    func channelActive(context: ChannelHandlerContext) { self.ask(context) }

    private func ask(_ context: ChannelHandlerContext) {
        guard let question = self.question, !self.hasAsked else { return }
        self.hasAsked = true
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(bytes: question)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.line.append(contentsOf: self.unwrapInboundIn(data).readableBytesView)
        guard let stop = self.line.firstIndex(of: Octet.lineFeed) else {
            if self.line.count > Self.longestLine { self.end.succeed(.tcpFailure) }
            return
        }
        guard let status = ProbeQuestion.status(self.line[..<stop]) else {
            return self.end.succeed(.tcpFailure)
        }
        if self.limits.unhealthyStatuses.contains(status) { return self.end.succeed(.httpFailure) }
        self.end.succeed(self.limits.healthyStatuses.contains(status) ? .success : nil)
    }

    func channelInactive(context: ChannelHandlerContext) { self.end.succeed(.tcpFailure) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.end.succeed(.tcpFailure)
        context.close(promise: nil)
    }
}
