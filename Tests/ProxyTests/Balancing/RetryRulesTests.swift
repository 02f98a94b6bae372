// When a request is sent once more, and what that costs.

import NIOCore
import Testing

@testable import Proxy

struct RetryRulesTests {
    @Test(arguments: [
        (ProxyError.connectFailed, RetryQuestion.Price.free), (.nameNotResolved, .free),
        (.connectTimedOut, .charged), (.notProcessed, .charged), (.closedBeforeAnswer, .forbidden),
        (.answerTimedOut, .forbidden), (.writeTimedOut, .forbidden), (.malformedAnswer, .forbidden),
        (.overloaded, .forbidden), (.closedWithinAnswer, .forbidden), (.clientGone, .forbidden),
    ])
    func `what was sent on a new connection is not sent again`(
        error: ProxyError,
        price: RetryQuestion.Price
    ) {
        #expect(RetryQuestion(error: error).elsewhere == price)
        // A body that went out with it makes all of them unsafe.
        #expect(RetryQuestion(error: error, hasBody: true, hasSentBody: true).elsewhere == .forbidden)
        #expect(RetryQuestion(error: error, attempts: 5).elsewhere == .forbidden)
        #expect(RetryQuestion(error: error, retries: 0).elsewhere == .forbidden)
    }

    @Test func `an idempotent request without a body is sent again that met an idle connection's end`() {
        let question = RetryQuestion(error: .closedBeforeAnswer, isReused: true)
        #expect(question.elsewhere == .charged)
        var changed = question
        changed.isIdempotent = false
        #expect(changed.elsewhere == .forbidden)
        changed = question
        changed.hasBody = true
        #expect(changed.elsewhere == .forbidden)
    }

    @Test func `a connection that cannot be made in time is not waited for twice`() {
        #expect(!RetryQuestion(error: .connectTimedOut).mayRepeat)
    }

    // MARK: The budget

    @Test func `retries are as many as requests have earned, and a few a second`() {
        var budget = RetryBudget()
        func spent(_ seconds: Double) -> Int {
            (0..<50).count { _ in budget.spend(20, at: second(seconds)) }
        }
        #expect(spent(0) == 10)
        for _ in 0..<100 { budget.earn(20) }
        #expect(spent(0) == 20)
        #expect(spent(0.5) == 5)
    }

    @Test func `not more is saved than the bound`() {
        var budget = RetryBudget()
        for _ in 0..<100_000 { budget.earn(100) }
        let spent = (0..<500).count { _ in budget.spend(100, at: second(0)) }
        #expect(spent == 100)
    }

    @Test func `0 percent allows none, but those that cost nothing`() {
        var budget = RetryBudget()
        let spent = budget.spend(0, at: second(0))
        #expect(!spent)
        let book = Book(group([target(1)]) { $0.retryPercent = 0 })
        #expect(!book.retry(.charged))
        #expect(book.retry(.free))
        #expect(book.state.retries == 1)
    }

    @Test func `where every zone is dead, charged retries stay below their percent`() {
        var state = BalancerState(group([target(1), target(2)]))
        var retries = 0
        for request in 0..<10_000 {
            let now = second(Double(request) / 1000)
            guard let pick = state.pick(hash: nil, at: now) else { continue }
            state.left(pick, at: now)
            if state.retry(.charged, at: now) { retries += 1 }
        }
        // 20 of a hundred, and ten a second for ten seconds.
        #expect((2000...2111).contains(retries), "\(retries)")
    }
}
