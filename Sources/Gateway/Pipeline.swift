// An exchange's way: match, ask, forward or answer, log.
import Pattern
package import Proxy

/// What all workers' pipelines have in common.
package struct PipelineSettings: Sendable {
    /// Our own paths on the proxy listener.
    package var ownPaths: [OwnPath]
    /// The calls of gRPC that are answered on a listener of their own.
    package var calls: [OwnPath]
    /// Seconds since 1970.
    package var clock: @Sendable () -> Double
    /// Takes the access log; nil writes none.
    package var accessLog: LogSink?
    /// Takes one line for the operator, at most once a worker for each kind.
    package var notice: @Sendable (String) -> Void
    /// Rises whenever something is taken back that may have let a stream in.
    package var standings: @Sendable () -> UInt64
    /// What our pages look like.
    package var theme: PageTheme
    /// Seconds for which browsers are told to come by https alone; 0 tells them nothing.
    package var hstsSeconds: Int

    /// Settings of pipelines.
    package init(
        ownPaths: [OwnPath] = [],
        calls: [OwnPath] = [],
        clock: @escaping @Sendable () -> Double,
        accessLog: LogSink? = nil,
        notice: @escaping @Sendable (String) -> Void = { _ in },
        standings: @escaping @Sendable () -> UInt64 = { 0 },
        theme: PageTheme = .plain,
        hstsSeconds: Int = 0
    ) {
        self.ownPaths = ownPaths
        self.calls = calls
        self.clock = clock
        self.accessLog = accessLog
        self.notice = notice
        self.standings = standings
        self.theme = theme
        self.hstsSeconds = hstsSeconds
    }
}

/// Decides on the exchanges of one event loop.
package final class Pipeline: ExchangeHandler {
    /// This loop's memory.
    package let worker: Worker
    private let settings: PipelineSettings
    private let holder: PlanHolder
    private let ownPaths: OwnPaths
    private let calls: OwnCalls
    private let log: AccessLog?
    private var plan: Plan
    private var revision: UInt64
    private var hasNoticedStranger = false
    private let guidance: BrowserGuidance
    private var date = HTTPDate()

    /// Makes the pipeline of a loop.
    ///
    /// - Parameter later: runs its argument on this loop, after what is more urgent; lets log lines gather.
    package init(
        worker: Int,
        holder: PlanHolder,
        settings: PipelineSettings,
        later: ((@escaping () -> Void) -> Void)? = nil
    ) {
        self.worker = Worker(index: worker, theme: settings.theme)
        self.settings = settings
        self.guidance = BrowserGuidance(hstsSeconds: settings.hstsSeconds)
        self.holder = holder
        self.ownPaths = OwnPaths(settings.ownPaths)
        self.calls = OwnCalls(settings.calls)
        self.log = settings.accessLog.map { AccessLog(sink: $0, later: later) }
        self.revision = holder.revision
        self.plan = holder.current
    }

    // MARK: ExchangeHandler

    package func began(_ exchange: Exchange) {
        let passage = self.passage(for: exchange)
        if exchange.strangerDisagreed { self.noticeStranger(exchange) }
        let request = exchange.request
        do throws(Refusal) {
            guard !exchange.isForCalls else {
                return self.carryOut(try self.calls.serve(passage), passage)
            }
            let own = try self.ownPaths.path(for: request)
            passage.isAtOwnPath = own != nil
            if let wasAsked = exchange.wasAskedForCertificate,
                wasAsked || !passage.currentPlan.asking.isEmpty,
                passage.currentPlan.asking.asks(host: request.host.span) != wasAsked
            {
                throw .misdirected
            }
            if let own {
                let step = try own.serve(passage)
                if own.mayPass, case .proceed = step {
                    passage.isAtOwnPath = false
                    self.judge(passage, request)
                } else {
                    self.carryOut(step, passage)
                }
            } else {
                self.judge(passage, request)
            }
        } catch {
            self.deliver(.refused(error), passage)
        }
    }

    package func answered(_ exchange: Exchange, head: inout ResponseHead) {
        guard let passage = exchange.attachment as? Passage else { return }
        if !passage.asked.isEmpty {
            for plugin in passage.asked.reversed() { plugin.answer(passage, head: &head) }
        }
        passage.currentPlan.ownedCookies.protect(&head)
        guard !passage.towardsClient.isEmpty else { return }
        exchange.answerEdits.add(passage.towardsClient)
        passage.towardsClient.reset()
    }

    package func failed(_ exchange: Exchange, _ error: ProxyError) -> Answer {
        guard let passage = exchange.attachment as? Passage else {
            return ErrorAnswer(acceptsHTML: false, requestID: "").answer(error)
        }
        passage.reasonWord = error.reason
        if error.isBeforeSending, passage.giveBack() {
            exchange.answerEdits.add(passage.towardsClient)
            passage.towardsClient.reset()
        }
        let answer = ErrorAnswer(passage).answer(error)
        // Another gateway is told in its own words.
        return self.dated(passage.deliver?(passage, .answered(answer)) ?? answer, passage)
    }

    package func refused(_ exchange: Exchange, _ refusal: RequestRefusal) -> Answer {
        // Half a head tells nothing that could be relied on: no plugin, no page.
        let passage = self.passage(for: exchange)
        passage.reasonWord = refusal.reason
        let answer = ErrorAnswer(acceptsHTML: false, requestID: passage.requestID).answer(refusal)
        return self.dated(answer, passage)
    }

    package func ended(_ exchange: Exchange, _ record: ExchangeRecord) {
        guard let passage = exchange.attachment as? Passage else { return }
        let reason = passage.reasonWord ?? record.error?.reason ?? record.refusal?.reason
        if let reason {
            self.worker.metrics.count(MetricKey("gatehouse_refusals_total", ["reason": reason]))
        }
        let metrics = self.worker.metrics
        if passage.currentPlan === self.plan {
            metrics.countExchange(route: passage.found?.planned.index ?? -1, status: record.status)
        } else {
            // A plan that was replaced meanwhile has other places for its routes.
            metrics.count(
                .exchanges(route: passage.route?.title ?? "", status: record.status)
            )
        }
        metrics.time(Double(record.totalNanoseconds) / 1e9)
        self.log?.note(exchange, passage, record, reason: reason)
    }

    package func stopped() { self.log?.flush() }

    package var standings: UInt64 { self.settings.standings() }

    package func mayGoOn(_ exchange: Exchange) -> Bool {
        guard let standing = (exchange.attachment as? Passage)?.standing else { return true }
        return !standing.hasEnded(at: self.settings.clock())
    }

    /// This worker's counters so far.
    package func snapshot() -> MetricsSnapshot { self.worker.metrics.snapshot(self.plan) }

    // MARK: Judging

    /// Finds the route of the passage's request and asks its plugins.
    private func judge(_ passage: Passage, _ request: borrowing RequestHead) {
        do throws(PatternError) {
            passage.found = try passage.currentPlan.match(request, from: passage.client)
        } catch {
            self.deliver(.refused(.malformed(.init("pattern-exhausted"))), passage)
            return
        }
        guard let planned = passage.found?.planned else {
            let isMisdirected = passage.isMisdirected(request)
            self.deliver(.refused(isMisdirected ? .misdirected : Self.noRoute(passage.enteredBy)), passage)
            return
        }
        if let demand = planned.demand, let (answer, reason) = demand.answer(passage, planned.route) {
            passage.reasonWord = reason
            self.deliver(.answered(answer), passage)
            return
        }
        self.goOn(passage)
    }

    private static let ownPathCause = Refusal.Cause(
        "own-path",
        detail: "the gateway has to send our own paths to us, not to ask about them"
    )

    static func noRoute(_ door: Door) -> Refusal {
        door == .callout
            ? .forbidden(.init("no-route"))
            : .notFound(.init("no-route", message: "no Route matched with those values"))
    }

    /// Asks the plugins that are left, then delivers the verdict.
    private func goOn(_ passage: Passage) {
        guard let planned = passage.found?.planned else { return }
        while passage.nextStep < planned.steps.count {
            let step = planned.steps[passage.nextStep]
            passage.nextStep += 1
            guard let plugin = step.plugin(for: passage.proven) else { continue }
            passage.asked.append(plugin)
            do throws(Refusal) {
                let outcome = try plugin.request(passage)
                guard case .proceed = outcome else {
                    self.carryOut(outcome, passage)
                    return
                }
            } catch {
                self.deliver(.refused(error), passage)
                return
            }
        }
        self.deliver(.passes, passage)
    }

    private func carryOut(_ step: Step, _ passage: Passage) {
        switch step {
        case .proceed: self.goOn(passage)
        case .answer(let answer): self.deliver(.answered(answer), passage)
        case .wait(let inquiry):
            passage.exchange?.wait(for: inquiry.work) { resumption in
                do throws(Refusal) {
                    self.carryOut(try resumption(passage), passage)
                } catch {
                    self.deliver(.refused(error), passage)
                }
            }
        case .read(let reading):
            guard let exchange = passage.exchange, passage.enteredBy == .proxy else {
                // What another gateway asks about has no body here.
                self.deliver(.refused(.failed(.init("body-not-here"))), passage)
                return
            }
            passage.hasReadBody = !reading.keepsBody
            exchange.read(upTo: reading.limit, keepsBody: reading.keepsBody) { read in
                do throws(Refusal) {
                    self.carryOut(try reading.resume(passage, read), passage)
                } catch {
                    self.deliver(.refused(error), passage)
                }
            }
        case .callout(let callout):
            passage.turn(to: callout)
            guard !self.ownPaths.hold(callout.original) else {
                // No route is meant by it, and a login that is asked about itself would never end.
                self.deliver(.refused(.forbidden(Self.ownPathCause)), passage)
                return
            }
            self.judge(passage, callout.original)
        }
    }

    // MARK: Delivering

    private func deliver(_ verdict: Verdict, _ passage: Passage) {
        var verdict = verdict
        if case .passes = verdict {
            do throws(Refusal) {
                try passage.setIdentityFields()
            } catch {
                verdict = .refused(error)
            }
        }
        if case .passes = verdict {} else { passage.giveBack() }
        if case .refused(let refusal) = verdict {
            passage.reasonWord = refusal.reason
            passage.moreForLog = refusal.cause.detail
        }
        if let deliver = passage.deliver {
            self.answer(passage, deliver(passage, verdict))
            return
        }
        switch verdict {
        case .passes: self.forward(passage)
        case .answered(let answer): self.answer(passage, answer)
        case .refused(let refusal): self.answer(passage, ErrorAnswer(passage).answer(refusal))
        }
    }

    private func answer(_ passage: Passage, _ answer: consuming Answer) {
        guard let exchange = passage.exchange else { return }
        if passage.door == .proxy { self.guidance.add(to: passage) }
        if answer.lines.isEmpty {
            answer = self.dated(answer, passage)
        } else if !answer.isDated, !passage.towardsClient.removes(.date) {
            answer.lines.append(.date, self.date.text(passage.wallTime))
        }
        exchange.take(upstream: &passage.towardsUpstream, answer: &passage.towardsClient)
        exchange.answer(answer)
    }

    /// Whoever answers by itself says when (RFC 9110 §6.6.1).
    private func dated(_ answer: Answer, _ passage: Passage) -> Answer {
        guard !answer.isDated else { return answer }
        var answer = answer
        answer.fields.append(("Date", self.date.text(passage.wallTime)))
        return answer
    }

    private func forward(_ passage: Passage) {
        guard let exchange = passage.exchange, let match = passage.found else { return }
        guard !passage.hasReadBody else {
            // Nothing is sent on that is not whole.
            self.deliver(.refused(.failed(.init("body-not-here"))), passage)
            return
        }
        guard let terms = match.planned.terms else {
            passage.reasonWord = "no-service"
            self.answer(passage, ErrorAnswer(passage).answer(503, "no Service found with those values"))
            return
        }
        do throws(FieldEditError) {
            try passage.identifier.set(on: &passage.towardsUpstream)
            try TraceContext.passOn(passage)
        } catch {
            self.deliver(.refused(.unsafeField), passage)
            return
        }
        passage.currentPlan.ownedCookies.hide(passage)
        var order = ForwardOrder(terms)
        if let end = passage.lastsUntil { order.lastsSeconds = end - passage.wallTime }
        if match.changesRequest || passage.queryEdit != .unchanged || !passage.chosen.isEmpty {
            match.shape(&order, passage)
        }
        if let balancing = match.planned.balancing { balancing.shape(&order, passage) }
        exchange.take(upstream: &passage.towardsUpstream, answer: &passage.towardsClient)
        exchange.forward(order)
    }

    // MARK: Beginning

    /// The connection's passage, made ready for a new request under today's plan.
    private func passage(for exchange: Exchange) -> Passage {
        let revision = self.holder.revision
        if revision != self.revision {
            self.worker.metrics.fold(self.plan)
            self.plan = self.holder.current
            self.revision = revision
            self.worker.sweep()
        }
        let identifier = self.identifier(for: exchange)
        let now = self.settings.clock()
        if let passage = exchange.attachment as? Passage {
            passage.renew(plan: self.plan, now: now, identifier: identifier)
            return passage
        }
        let passage = Passage(
            exchange: exchange,
            worker: self.worker,
            plan: self.plan,
            now: now,
            identifier: identifier
        )
        exchange.attachment = passage
        return passage
    }

    /// A trusted peer's identifier if it is a sound one, else a new one.
    private func identifier(for exchange: Exchange) -> RequestIdentifier {
        if exchange.isFromTrustedPeer, exchange.request.count(of: .xRequestID) == 1,
            let given = exchange.request.string(of: .xRequestID), (1...128).contains(given.utf8.count),
            given.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") })
        {
            return .given(given)
        }
        return self.worker.nextRequestID()
    }

    private func noticeStranger(_ exchange: Exchange) {
        guard !self.hasNoticedStranger else { return }
        self.hasNoticedStranger = true
        self.settings.notice(
            "\(exchange.client.peer) sends X-Forwarded-Proto and is not trusted, so it is not believed; "
                + "if it is your proxy, set trusted_ips (GATEHOUSE_TRUSTED_IPS)"
        )
    }
}
