// A mark by which a request is found again.
import JSON
import Proxy

/// The plugin `correlation-id`: Kong's fields and defaults.
package final class CorrelationID: Plugin {
    /// How new marks are made.
    private enum Generator {
        case uuid
        /// One UUID for each worker, and a number that rises.
        case counted
    }

    /// A worker's room to write a mark in, kept from request to request.
    private final class Desk {
        var text: [UInt8] = []
        /// How much of the text stays.
        var kept = 0
        var count = 0
    }

    private let name: FieldName
    private let generator: Generator
    private let echoes: Bool
    /// Whether the field is the gateway's own identifier of requests, which strangers do not choose (P1).
    private let isRequestID: Bool
    private let desk = WorkerSlot<Desk>()

    /// A client's own mark may be as long.
    private static let longest = 256

    /// The kind, for the list of all plugins.
    package static let kind = PluginKind(
        name: "correlation-id",
        order: .mark,
        schema: CorrelationID.fields,
        mayBindConsumers: false,
        help: """
            Marks requests. A client's own mark is passed on if it is one value of at most 256 visible
            octets, else it is replaced. With `header_name: X-Request-Id` only trusted peers may bring their
            own, and the mark is what the access log calls `request_id`.
            """,
        make: { settings, _ throws(ConfigurationError) in try CorrelationID(settings) }
    )

    private static let fields: [FieldSchema] = [
        FieldSchema("header_name", .string, default: "Kong-Request-ID", help: "The field's name."),
        FieldSchema(
            "generator",
            .string,
            default: "uuid#counter",
            oneOf: ["uuid", "uuid#counter", "tracker"],
            help: "How a new mark is made: a random UUID, or a worker's UUID with a number that rises. "
                + "`tracker` is known, but not served yet."
        ),
        FieldSchema(
            "echo_downstream",
            .boolean,
            default: false,
            help: "Whether the answer carries the mark, our own refusals too."
        ),
    ]

    init(_ settings: Settings) throws(ConfigurationError) {
        guard let name = settings.string("header_name").flatMap({ FieldName($0) }), !name.belongsToHop else {
            throw settings.error("header_name", "expected the name of a header that may be passed on")
        }
        guard settings.string("generator") != "tracker" else {
            throw settings.error(
                "generator",
                "'tracker' is known, but not served yet; use uuid or uuid#counter"
            )
        }
        self.name = name
        self.generator = settings.string("generator") == "uuid" ? .uuid : .counted
        self.echoes = settings.flag("echo_downstream")
        self.isRequestID = name == .xRequestID
    }

    package func request(_ passage: Passage) throws(Refusal) -> Step {
        do throws(FieldEditError) {
            if let own = self.clientsOwn(passage) {
                guard self.echoes else { return .proceed }
                try passage.request.withValue(own) { value throws(FieldEditError) in
                    try passage.answer.set(self.name, octets: value)
                }
                return .proceed
            }
            let desk = passage.worker.state(self.desk) { Desk() }
            self.write(on: desk, passage.worker)
            if self.isRequestID {
                passage.identifier = .given(String(decoding: desk.text, as: UTF8.self))
            } else {
                try passage.upstream.set(self.name, octets: desk.text.span)
            }
            if self.echoes { try passage.answer.set(self.name, octets: desk.text.span) }
        } catch {
            throw .unsafeField
        }
        return .proceed
    }

    /// The client's own mark, if it may stay.
    private func clientsOwn(_ passage: Passage) -> FieldRange? {
        let head = passage.request
        guard let field = head.first(self.name), head.count(of: self.name) == 1,
            head.goesOn(
                field,
                after: passage.upstream,
                dropping: passage.plan.identityFields,
                isTrusted: passage.client.isTrustedPeer
            ), head.withValue(field, Self.isSound)
        else { return nil }
        // The pipeline has its own rule for this one, and what it took stands in the log.
        if self.isRequestID, !head.fields.value(field).elementsEqual(passage.requestID.utf8) { return nil }
        return field
    }

    /// Visible ASCII without quotes, of bounded length: it will stand in logs.
    private static func isSound(_ value: Span<UInt8>) -> Bool {
        guard (1...Self.longest).contains(value.count) else { return false }
        for index in value.indices {
            let octet = value[index]
            guard octet > 0x20, octet < 0x7F, octet != UInt8(ascii: "\"") else { return false }
        }
        return true
    }

    private func write(on desk: Desk, _ worker: Worker) {
        if desk.kept == 0 {
            desk.text.reserveCapacity(64)
            if self.generator == .counted {
                Self.appendUUID(worker.nextBits(), to: &desk.text)
                desk.text.append(UInt8(ascii: "#"))
                desk.kept = desk.text.count
            }
        }
        desk.text.removeSubrange(desk.kept...)
        switch self.generator {
        case .uuid: Self.appendUUID(worker.nextBits(), to: &desk.text)
        case .counted:
            desk.count += 1
            desk.text.append(contentsOf: String(desk.count).utf8)
        }
    }

    /// A UUID of random octets (RFC 9562 §5.4).
    private static func appendUUID(_ bits: (high: UInt64, low: UInt64), to text: inout [UInt8]) {
        let high = bits.high & ~0xF000 | 0x4000
        let low = bits.low & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        for place in 0..<32 {
            if place == 8 || place == 12 || place == 16 || place == 20 { text.append(UInt8(ascii: "-")) }
            let word = place < 16 ? high : low
            let digit = UInt8(truncatingIfNeeded: word >> UInt64(60 - 4 * (place & 15))) & 0xF
            text.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
        }
    }
}
