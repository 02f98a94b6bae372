// One JSON line for each exchange; never a query, a field or a secret.
import Proxy

/// Where a worker's lines go.
package struct LogSink: Sendable {
    /// Takes whole lines.
    package let write: @Sendable ([UInt8]) -> Void

    /// Wraps a writer.
    package init(_ write: @escaping @Sendable ([UInt8]) -> Void) {
        self.write = write
    }
}

/// Writes the lines of one worker, many at a time.
final class AccessLog {
    private let sink: LogSink
    /// Runs its argument when the loop has nothing more urgent; nil writes every line at once.
    private let later: ((@escaping () -> Void) -> Void)?
    private var lines: [UInt8] = []
    private static let enoughBytes = 65_536

    init(sink: LogSink, later: ((@escaping () -> Void) -> Void)?) {
        self.sink = sink
        self.later = later
    }

    /// Adds the line of an exchange that has ended.
    func note(_ exchange: Exchange, _ passage: Passage, _ record: ExchangeRecord, reason: String?) {
        let wasEmpty = self.lines.isEmpty
        self.write(exchange, passage, record, reason)
        if self.later == nil || self.lines.count >= Self.enoughBytes {
            self.flush()
        } else if wasEmpty {
            self.later? { [weak self] in self?.flush() }
        }
    }

    /// Hands over what was gathered.
    func flush() {
        guard !self.lines.isEmpty else { return }
        self.sink.write(self.lines)
        self.lines.removeAll(keepingCapacity: true)
    }

    private func write(_ exchange: Exchange, _ passage: Passage, _ record: ExchangeRecord, _ reason: String?)
    {
        let request = exchange.request
        self.lines.append(contentsOf: "{\"time\":\"".utf8)
        self.lines.append(contentsOf: Timestamp.text(passage.now).utf8)
        self.lines.append(UInt8(ascii: "\""))
        self.add("request_id", passage.requestID.utf8)
        self.add("client", exchange.client.address.description.utf8)
        self.add("method", request.methodText.utf8)
        self.add("host", request.host)
        self.add("path", request.path)
        if passage.enteredBy == .callout { self.addOriginal(passage.request) }
        self.add("status", record.status)
        if let route = passage.route { self.add("route", route.title.utf8) }
        if let service = passage.match?.planned.service {
            self.add("service", (service.name ?? service.id).utf8)
        }
        if let identity = passage.identity {
            if let consumer = identity.consumer { self.add("consumer", consumer.title.utf8) }
            if let subject = identity.subject { self.add("subject", subject.utf8) }
            self.add("method_of_proof", identity.method.utf8)
        }
        if let reason { self.add("reason", reason.utf8) }
        if let detail = passage.detail { self.add("detail", detail.utf8) }
        if let endpoint = record.endpoint { self.add("upstream", endpoint.description.utf8) }
        self.add("request_bytes", record.requestBodyBytes)
        self.add("answer_bytes", record.answerBodyBytes)
        self.add("total_ms", milliseconds: record.totalNanoseconds)
        self.add("gateway_ms", milliseconds: record.gatewayNanoseconds)
        if let upstream = record.upstreamNanoseconds { self.add("upstream_ms", milliseconds: upstream) }
        if !record.isComplete { self.lines.append(contentsOf: ",\"broken_off\":true".utf8) }
        self.lines.append(contentsOf: "}\n".utf8)
    }

    /// Adds which request a callout asked about.
    private func addOriginal(_ request: RequestHead) {
        self.add("original_method", request.methodText.utf8)
        self.add("original_host", request.host)
        self.add("original_path", request.path)
    }

    private func name(_ name: StaticString) {
        self.lines.append(contentsOf: ",\"".utf8)
        self.lines.append(contentsOf: name.description.utf8)
        self.lines.append(contentsOf: "\":".utf8)
    }

    private func add(_ name: StaticString, _ text: some Collection<UInt8>) {
        self.name(name)
        JSONText.append(quoted: text, to: &self.lines)
    }

    private func add(_ name: StaticString, _ number: Int) {
        self.name(name)
        self.lines.append(contentsOf: String(number).utf8)
    }

    private func add(_ name: StaticString, milliseconds nanoseconds: Int64) {
        self.name(name)
        let microseconds = max(0, nanoseconds / 1000)
        let rest = String(microseconds % 1000)
        self.lines.append(contentsOf: String(microseconds / 1000).utf8)
        self.lines.append(UInt8(ascii: "."))
        for _ in rest.utf8.count..<3 { self.lines.append(UInt8(ascii: "0")) }
        self.lines.append(contentsOf: rest.utf8)
    }
}
