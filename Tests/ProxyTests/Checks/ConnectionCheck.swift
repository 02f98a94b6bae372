// Whole connections under any play of clients and upstreams.

import NIOCore

@testable import Proxy

/// Performs a play and compares what everyone saw with what each exchange alone must come to.
package enum ConnectionCheck {
    /// Holds the play that `input` is to all promises about connections.
    package static func run(_ input: [UInt8]) throws {
        let stage = Stage()
        var script = ConnectionScript(input, on: stage)
        do {
            try script.play()
        } catch {
            _ = stage.leave()
            throw error
        }
        let remains = stage.leave()
        try stage.look()
        try Self.hold(stage)
        stage.forgetAll()
        for remain in remains { try demand(remain() == nil, "a connection is kept after its end") }
        try demand(
            stage.admission.connections == 0,
            "\(stage.admission.connections) connections are counted after their end"
        )
    }

    private static func hold(_ stage: Stage) throws {
        for (number, exchange) in stage.handler.exchanges.enumerated() {
            try demand(exchange.endings == 1, "exchange \(number) ended \(exchange.endings) times")
        }
        for client in stage.clients {
            let requests = PlainRequest.readAll(client.sent)
            try Self.holdRequests(client, requests, stage)
            try Self.holdAnswers(client, stage)
        }
    }

    // MARK: What the upstreams saw

    /// Each exchange is the next request of its client, and what of it went on is that request.
    private static func holdRequests(
        _ client: PlayedClient,
        _ requests: [PlainRequest],
        _ stage: Stage
    ) throws(Finding) {
        let began = client.exchanges.filter { !stage.handler.exchanges[$0].summary.isEmpty }
        try demand(began.count <= requests.count, "\(began.count) exchanges of \(requests.count) requests")
        for (number, request) in zip(began, requests) {
            let exchange = stage.handler.exchanges[number]
            try demand(exchange.summary == request.summary, "\(exchange.summary), not \(request.summary)")
            for upstream in stage.upstreams {
                for seen in upstream.requests where seen.exchange == number {
                    try demand(
                        request.body.starts(with: seen.body),
                        "a body went on as \(shown(seen.body)), not as \(shown(request.body))"
                    )
                    try demand(
                        !seen.isWhole || request.isWhole && seen.body == request.body,
                        "a body that is not whole went on as whole"
                    )
                    try demand(
                        seen.head.firstLine.elementsEqual(request.line),
                        "went on as \(shown(seen.head.firstLine)), not as \(shown(request.line))"
                    )
                }
            }
        }
    }

    // MARK: What the client saw

    private static func holdAnswers(_ client: PlayedClient, _ stage: Stage) throws(Finding) {
        let octets = client.wire.written
        var start = 0
        var isOver = false
        for number in client.exchanges {
            let exchange = stage.handler.exchanges[number]
            let expected = Self.expected(number, exchange, stage)
            var interims: [Int] = []
            var found: PlainMessage?
            while start < octets.count, !isOver {
                guard let head = try PlainMessage.head(octets, from: start) else { break }
                start = head.headEnd
                guard let status = Self.status(head) else {
                    throw Finding("written: \(shown(head.firstLine))")
                }
                guard status < 200 else {
                    found = head
                    break
                }
                interims.append(status)
            }
            try demand(expected.interims.starts(with: interims), "interim answers of nobody: \(interims)")
            guard let head = found else {
                // The client left before an answer, or was cut off.
                try demand(start == octets.count, "octets after the last answer: \(shown(octets[start...]))")
                try demand(!exchange.record.isComplete, "an answer counts as written and was not")
                isOver = true
                continue
            }
            let end = try Self.hold(head, octets, exchange, expected, number)
            start = end ?? octets.count
            isOver = end == nil
        }
        try demand(start == octets.count, "octets after the last answer: \(shown(octets[start...]))")
    }

    private static func status(_ head: PlainMessage) -> Int? {
        let text = String(decoding: head.firstLine.prefix(13), as: UTF8.self)
        return text.hasPrefix("HTTP/1.1 ") ? Int(text.dropFirst(9).prefix(3)) : nil
    }

    /// What an exchange's answer must be, by what was sent for it alone.
    private static func expected(_ number: Int, _ exchange: PlayedExchange, _ stage: Stage) -> PlainAnswer {
        var expected = PlainAnswer()
        for upstream in stage.upstreams {
            for seen in upstream.requests where seen.exchange == number && !seen.answer.isEmpty {
                expected = PlainAnswer.read(seen, exchange.method)
            }
        }
        guard let own = exchange.ownAnswer else { return expected }
        let interims = expected.interims
        expected = PlainAnswer()
        (expected.interims, expected.status, expected.body) = (interims, own.status, own.body)
        expected.isWhole = true
        return expected
    }

    /// Holds one answer; gives where it ends, or nil if it does not.
    private static func hold(
        _ head: PlainMessage,
        _ octets: [UInt8],
        _ exchange: PlayedExchange,
        _ expected: PlainAnswer,
        _ number: Int
    ) throws(Finding) -> Int? {
        let marks = head.values("x-exchange").map { String(decoding: $0, as: UTF8.self) }
        try demand(marks == ["\(number)"], "an answer of \(marks) went to exchange \(number)")
        try demand(
            (head.values("x-own").count == 1) == (exchange.ownAnswer != nil),
            "an answer of ours and of an upstream are confused"
        )
        let status = Self.status(head)
        // OPTIONS whose Max-Forwards is used up is answered by the connection itself.
        let isFinalHop = exchange.method == .options && expected.status == nil && status == 200
        try demand(status == expected.status || isFinalHop, "\(status ?? 0), not \(expected.status ?? 0)")
        try demand(exchange.record.status == status, "recorded as \(exchange.record.status)")
        var framing = try head.framing()
        if exchange.method == .head || status == 204 || status == 304 { framing = .none }
        let (data, end) = try PlainMessage.body(octets, from: head.headEnd, framing)
        let whole = exchange.method == .head && exchange.ownAnswer != nil ? [] : expected.body
        try demand(whole.starts(with: data), "the body \(shown(data)), not \(shown(whole))")
        guard framing != .open else { return nil }
        try demand(
            end == nil || isFinalHop || expected.isWhole && data == whole,
            "an answer that is not whole came out as whole (\(exchange.record.error?.reason ?? "no error"))"
        )
        try demand(
            (end != nil) == exchange.record.isComplete,
            "an answer's end was recorded otherwise than written"
        )
        try demand(
            end == nil || exchange.record.answerBodyBytes == data.count,
            "\(exchange.record.answerBodyBytes) octets recorded of \(data.count)"
        )
        return end
    }
}

/// A client's request, read in one piece.
struct PlainRequest {
    var summary: String
    var line: [UInt8]
    var body: [UInt8]
    var isWhole: Bool

    /// Reads all requests in `octets`, up to the first that is not whole or not fit.
    static func readAll(_ octets: [UInt8]) -> [PlainRequest] {
        var (requests, start) = ([PlainRequest](), 0)
        while start < octets.count {
            var (parser, head) = (RequestParser(limits: Stage.limits), RequestHead())
            parser.feed(octets[start...].prefix(Stage.limits.headBytes), to: &head)
            guard case .complete(let length) = parser.advance(&head) else { return requests }
            start += length
            var (body, end): ([UInt8], Int?) = ([], start)
            switch head.framing {
            case .none, .untilClose: break
            case .length(let count):
                body = Array(octets[start...].prefix(count))
                end = body.count == count ? start + count : nil
            case .chunked:
                let (data, stop) = PlainChunks.decode(Array(octets[start...]))
                body = data
                end = if case .at(let index) = stop { start + index } else { nil }
            }
            requests.append(
                PlainRequest(
                    summary: RequestCheck.summary(head),
                    line: Array("\(head.methodText) ".utf8) + head.pathAndQuery + Array(" HTTP/1.1".utf8),
                    body: body,
                    isWhole: end != nil
                )
            )
            guard let end else { return requests }
            start = end
        }
        return requests
    }
}
