// Carries an exchange to one of several targets, and to another where that is safe.

import NIOCore

/// What an exchange has of its upstream while it is with one of the targets.
struct BalancedTurn {
    let balancer: Balancer
    var pick: Pick
    /// Targets that have failed it.
    var tried: [Pick] = []
}

extension ClientStream {
    /// Chooses a target and asks for a connection to it.
    func forward(_ order: ForwardOrder, to group: TargetGroup) {
        let balancer = self.worker.balancers.balancer(for: group)
        guard let pick = balancer.pick(hash: order.hash, tried: [], at: .now()) else {
            return self.fail(.noTarget)
        }
        self.go(order, BalancedTurn(balancer: balancer, pick: pick), fresh: false)
    }

    private func go(_ order: ForwardOrder, _ turn: BalancedTurn, fresh: Bool) {
        var order = order
        order.chosen = turn.pick.endpoint
        self.passage.order = order
        self.passage.turn = turn
        self.passage.isReused = false
        self.exchange.progress.endpoint = turn.pick.endpoint
        self.lease(order, fresh: fresh)
    }

    /// The target has answered: the status speaks for or against it.
    func noteTurn(status: Int, at now: NIODeadline) {
        guard var turn = self.passage.turn else { return }
        turn.balancer.answered(&turn.pick, status: status, after: now - self.passage.sentAt, at: now)
        if let cookie = turn.balancer.group.rules.stickyCookie { self.keep(turn.pick.endpoint, cookie) }
        self.passage.turn = turn
    }

    /// The exchange is no longer with its target.
    func endTurn(_ error: ProxyError? = nil) {
        guard let turn = self.passage.turn else { return }
        self.passage.turn = nil
        self.end(turn, error)
    }

    private func end(_ turn: BalancedTurn, _ error: ProxyError?) {
        var turn = turn
        let now = NIODeadline.now()
        if let error {
            turn.balancer.failed(&turn.pick, error, isReused: self.passage.isReused, at: now)
        }
        turn.balancer.left(turn.pick, at: now)
    }

    /// Sends the request to another target, if that is safe and there is one; false if not.
    func tryElsewhere(_ question: RetryQuestion, _ order: ForwardOrder) -> Bool {
        guard let turn = self.passage.turn else { return false }
        self.endTurn(question.error)
        let price = question.elsewhere
        guard price != .forbidden else { return false }
        let now = NIODeadline.now()
        let tried = turn.tried + [turn.pick]
        // A connection that had been idle may have ended by chance: its target is as good as any, if it is the only one.
        let next =
            turn.balancer.pick(hash: order.hash, tried: tried, at: now)
            ?? (question.mayRepeat && question.isReused
                ? turn.balancer.pick(hash: order.hash, tried: turn.tried, at: now) : nil)
        guard let next else { return false }
        guard turn.balancer.retry(price, at: now) else {
            turn.balancer.left(next, at: now)
            return false
        }
        self.passage.attempts += 1
        // Where the last connection could not be made, one that is idle at another target will do.
        let fresh = question.error.retry == .ifConnectionWasReused
        self.go(order, BalancedTurn(balancer: turn.balancer, pick: next, tried: tried), fresh: fresh)
        return true
    }
}
