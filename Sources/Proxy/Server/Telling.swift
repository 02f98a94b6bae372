// Answers of our own that go on after their head.

import NIOCore

extension ClientStream {
    /// Sends the head of an answer and lets its feed say the rest.
    func open(_ answer: Answer, _ feed: any AnswerFeed) {
        self.stage(answer)
        self.exchange.progress.status = answer.meaning ?? answer.status
        self.exchange.progress.answerBodyBytes = answer.body.count
        self.exchange.progress.gatewayNanoseconds = (.now() - self.exchange.startedAt).nanoseconds
        self.phase = .telling
        self.deadline = .distantFuture
        self.feed = feed
        self.flushStaged()
        let mine = NIOLoopBound((stream: self, feed: feed), eventLoop: self.worker.eventLoop)
        feed.begin { octets, trailers in
            mine.eventLoop.execute {
                let (stream, feed) = mine.value
                // The stream may carry another request by now.
                guard stream.feed === feed else { return }
                stream.tell(octets, trailers)
            }
        }
    }

    private func tell(_ octets: [UInt8], _ trailers: [(String, String)]?) {
        self.exchange.progress.answerBodyBytes += octets.count
        self.worker.toClient.clear()
        self.worker.toClient.writeBytes(octets)
        guard let trailers else { return self.flushStaged() }
        self.stage(trailers: HTTP2Head.lines(trailers))
        self.endTelling()
        self.exchange.abandon()
        self.sendEnd(hasSurplus: false, at: .now())
    }

    /// The answer is over, by whomever: either side may end it.
    func endTelling() {
        let feed = self.feed
        self.feed = nil
        self.exchange.progress.isComplete = true
        self.finish(error: nil)
        feed?.end()
    }
}
