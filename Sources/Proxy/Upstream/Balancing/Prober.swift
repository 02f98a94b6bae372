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
            guard let target = group.targets.first(where: { $0.endpoint == endpoint }) else { continue }
            self.probe(target, group.rules) { evidence in
                self.schedule.ended(endpoint)
                guard !self.isStopped, let evidence else { return }
                then(endpoint, evidence)
            }
        }
    }

    /// Asks one target; gives nil where its answer says nothing.
    private func probe(
        _ target: Target,
        _ rules: BalancingRules,
        then: @escaping (HealthEvidence?) -> Void
    ) {
        let limit = TimeAmount(seconds: rules.active.timeoutSeconds)
        let end = self.worker.eventLoop.makePromise(of: HealthEvidence?.self)
        let made = self.worker.dialer.dial(target.probe, self.speaker(target, rules, end), limit)
        let alarm = self.worker.eventLoop.scheduleTask(in: limit) { end.succeed(.timeout) }
        made.whenComplete { result in
            switch result {
            case .success: if rules.active.kind == .tcp { end.succeed(.success) }
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

    /// What asks, once there is a connection.
    private func speaker(
        _ target: Target,
        _ rules: BalancingRules,
        _ end: EventLoopPromise<HealthEvidence?>
    ) -> any UpstreamSpeaker {
        let host = rules.hostHeader ?? target.endpoint.description
        switch rules.active.kind {
        case .tcp: return HTTPProbe(question: nil, limits: rules.active.limits, end: end)
        case .http(let path, let fields):
            let question = HTTPProbe.question(path, fields, host: host)
            return HTTPProbe(question: question, limits: rules.active.limits, end: end)
        case .grpc(let fields):
            let isSecure = target.probe.tls != nil
            let block = GRPCHealth.block(fields, host: host, isSecure: isSecure)
            return GRPCProbe(block: block, worker: self.worker, end: end)
        }
    }
}
