// What must hold after every step of a script.

import NIOCore

@testable import Proxy

extension Stage {
    /// Looks at every connection.
    func look() throws(Finding) {
        try demand(self.handler.broken == nil, self.handler.broken ?? "")
        for client in self.clients { try self.look(client) }
        for upstream in self.upstreams { try self.look(upstream) }
    }

    private func look(_ client: PlayedClient) throws(Finding) {
        let connection = client.connection
        guard client.wire.isOpen else {
            try demand(connection.deadline == .distantFuture, "a closed client has a deadline")
            return try demand(client.current == nil, "a client closed, its exchange did not end")
        }
        try demand(!client.wire.hasUnflushed, "an answer was written and never flushed")
        try demand(
            connection.held.readableBytes <= Self.limits.bufferedBytes + Self.largestPiece,
            "\(connection.held.readableBytes) octets of a client are held"
        )
        try demand(
            client.wire.writtenWhileFull <= Self.mostWhileFull,
            "\(client.wire.writtenWhileFull) octets were written to a client that reads none"
        )
        let isWatched = connection.deadline < .distantFuture
        switch connection.phase {
        case .head, .reading, .tunnelling, .draining, .lingering:
            try demand(isWatched, "nobody watches a client that idles")
        case .deciding: break
        case .forwarding:
            let link = connection.passage.link
            try demand(
                isWatched || (link?.deadline ?? .distantFuture) < .distantFuture,
                "nobody watches an exchange under way (linked \(link != nil), body whole \(connection.body.isComplete), "
                    + "reading paused \(connection.isReadingPaused), upstream full \(connection.passage.isUpstreamFull), "
                    + "client full \(client.wire.isFull), held \(connection.held.readableBytes))"
            )
        case .telling, .closed: throw Finding("an open client counts as \(connection.phase)")
        }
    }

    private func look(_ upstream: PlayedUpstream) throws(Finding) {
        try self.readRequests(upstream)
        guard upstream.wire.isOpen else { return }
        try demand(!upstream.wire.hasUnflushed, "a request was written and never flushed")
        try demand(
            upstream.wire.writtenWhileFull <= Self.mostWhileFull,
            "\(upstream.wire.writtenWhileFull) octets were written to an upstream that reads none"
        )
        let isUsed = self.clients.contains { $0.connection.passage.link === upstream.connection }
        upstream.hasRested = upstream.hasRested || !isUsed
        try demand(
            isUsed || upstream.connection.deadline < .distantFuture,
            "nobody watches an upstream that idles"
        )
    }

    // MARK: Requests

    /// Reads what has come to an upstream.
    private func readRequests(_ upstream: PlayedUpstream) throws(Finding) {
        while true {
            if let last = upstream.requests.indices.last, !upstream.requests[last].isWhole {
                guard try self.readBody(upstream, last) else { return }
            }
            guard upstream.end < upstream.wire.written.count,
                let head = try PlainMessage.head(upstream.wire.written, from: upstream.end)
            else { return }
            try self.begin(head, upstream)
        }
    }

    /// Reads on in a body; true once it is whole.
    private func readBody(_ upstream: PlayedUpstream, _ index: Int) throws(Finding) -> Bool {
        let head = upstream.requests[index].head
        var framing = try head.framing()
        if framing == .open { framing = .none }
        let (data, end) = try PlainMessage.body(upstream.wire.written, from: head.headEnd, framing)
        upstream.requests[index].body = data
        upstream.requests[index].isWhole = end != nil
        upstream.end = end ?? upstream.end
        return end != nil
    }

    private func begin(_ head: PlainMessage, _ upstream: PlayedUpstream) throws(Finding) {
        let line = head.firstLine.split(separator: 0x20, omittingEmptySubsequences: false)
        try demand(
            line.count == 3 && line[1].first.map { $0 == 0x2F || $0 == 0x2A } ?? false
                && line[2].elementsEqual("HTTP/1.1".utf8),
            "an upstream saw: \(shown(head.firstLine))"
        )
        try demand(head.values("host").count == 1, "an upstream saw not one Host")
        let marks = head.values("x-exchange").map { String(decoding: $0, as: UTF8.self) }
        guard marks.count == 1, let number = Int(marks[0]), self.handler.exchanges.indices.contains(number)
        else { throw Finding("an upstream saw a request of nobody: \(marks)") }
        let exchange = self.handler.exchanges[number]
        try demand(
            exchange.summary.hasPrefix(String(decoding: line[0], as: UTF8.self) + " "),
            "another method came out"
        )
        try demand(!upstream.isRude, "a connection was used whose upstream had spoken first")
        if let last = upstream.requests.last { try self.holdClean(last) }
        for other in self.upstreams {
            for (index, earlier) in other.requests.enumerated() where earlier.exchange == number {
                let mayRetry =
                    (index > 0 || other.hasRested) && earlier.answer.isEmpty
                    && exchange.method.isIdempotent && earlier.body.isEmpty && !other.wire.isOpen
                try demand(
                    mayRetry,
                    "exchange \(number) (\(exchange.method), body \(earlier.body.count)) was sent again: it was request \(index) "
                        + "of a connection (open \(other.wire.isOpen)), answered by \(shown(earlier.answer))"
                )
            }
        }
        upstream.wire.forgive()
        upstream.requests.append(PlayedUpstream.Request(exchange: number, head: head))
    }

    /// A connection is used again only if request and answer were whole and nothing came after.
    private func holdClean(_ request: PlayedUpstream.Request) throws(Finding) {
        try demand(request.isWhole, "a connection was used again before its request was whole")
        let answer = PlainAnswer.read(request, self.handler.exchanges[request.exchange].method)
        try demand(
            answer.isWhole && !answer.hasSurplus && answer.keepsAlive,
            "a connection was used again that is not clean: \(shown(request.answer))"
        )
    }
}

/// What an upstream's octets say as an answer, read in one piece.
struct PlainAnswer {
    var interims: [Int] = []
    var status: Int?
    var body: [UInt8] = []
    var isWhole = false
    var hasSurplus = false
    var keepsAlive = false
    var isMalformed = false
    /// Whether only the end of the connection ends it.
    var isOpenEnded = false

    static func read(_ request: PlayedUpstream.Request, _ method: Proxy.Method) -> PlainAnswer {
        var (answer, start) = (PlainAnswer(), 0)
        let octets = request.answer
        while true {
            var (parser, head) = (ResponseParser(limits: Stage.limits), ResponseHead())
            parser.feed(octets[start...], to: &head)
            guard case .complete(let length) = parser.advance(&head, answering: method) else {
                answer.isMalformed = true
                return answer
            }
            start += length
            guard head.status >= 200 else {
                guard head.status != 101 else {
                    answer.isMalformed = true
                    return answer
                }
                answer.interims.append(head.status)
                continue
            }
            answer.status = head.status
            answer.keepsAlive = head.keepsAlive
            answer.readBody(Array(octets[start...]), head.framing, isClosed: request.isClosed)
            return answer
        }
    }

    private mutating func readBody(_ octets: [UInt8], _ framing: BodyFraming, isClosed: Bool) {
        switch framing {
        case .none: (self.isWhole, self.hasSurplus) = (true, !octets.isEmpty)
        case .length(let count):
            self.body = Array(octets.prefix(count))
            (self.isWhole, self.hasSurplus) = (octets.count >= count, octets.count > count)
        case .chunked:
            let (data, end) = PlainChunks.decode(octets)
            self.body = data
            guard case .at(let index) = end else {
                self.isMalformed = end == .malformed
                return
            }
            (self.isWhole, self.hasSurplus) = (true, index < octets.count)
        case .untilClose: (self.body, self.isWhole, self.isOpenEnded) = (octets, isClosed, true)
        }
    }
}
