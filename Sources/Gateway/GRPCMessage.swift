// Messages of gRPC as they stand in a body.
package import Proxy

/// One message in its frame: a flag that says whether it is compressed, four octets of length, the message.
package enum GRPCMessage {
    /// What is wrong with a body that should hold one message.
    package enum Fault: Error, Equatable {
        /// It ends before its message does.
        case cutOff
        /// The message is compressed, and no way of compressing is agreed upon.
        case compressed
        /// There is more than one, or none.
        case notOne

        /// What gRPC calls it.
        package var code: Int {
            switch self {
            case .cutOff: 13  // INTERNAL
            case .compressed, .notOne: 12  // UNIMPLEMENTED
            }
        }

        /// The words for the caller.
        package var message: String {
            switch self {
            case .cutOff: "The message is cut off"
            case .compressed: "No compression is served"
            case .notOne: "The method takes one message"
            }
        }
    }

    /// Octets before each message.
    package static let frameBytes = 5

    /// The only message in `body`.
    package static func only(in body: [UInt8]) throws(Fault) -> ArraySlice<UInt8> {
        guard !body.isEmpty else { throw .notOne }
        guard body.count >= Self.frameBytes else { throw .cutOff }
        guard body[0] == 0 else { throw .compressed }
        let length = body[1..<Self.frameBytes].reduce(0) { $0 << 8 | Int($1) }
        let message = body.dropFirst(Self.frameBytes)
        guard message.count >= length else { throw .cutOff }
        guard message.count == length else { throw .notOne }
        return message
    }

    /// The answer to a call: one message, and trailers that say that all went well.
    ///
    /// - Parameter meaning: the status that is logged and counted for it.
    package static func answer(_ message: [UInt8], meaning: Int = 200) -> Answer {
        var answer = Answer(status: 200, fields: Self.fields, body: Self.frame(message))
        answer.trailers = [("grpc-status", "0")]
        answer.meaning = meaning
        return answer
    }

    /// The answer to a call that is told one message after another.
    package static func answer(_ feed: any AnswerFeed) -> Answer {
        var answer = Answer(status: 200, fields: Self.fields)
        answer.feed = feed
        return answer
    }

    private static let fields = [("Content-Type", "application/grpc")]

    /// A message as it stands in a body.
    package static func frame(_ message: [UInt8]) -> [UInt8] {
        var frame: [UInt8] = [0]
        frame.reserveCapacity(Self.frameBytes + message.count)
        for shift in [24, 16, 8, 0] { frame.append(UInt8(truncatingIfNeeded: message.count >> shift)) }
        frame.append(contentsOf: message)
        return frame
    }

    /// The answer to a call whose body is no message.
    package static func answer(_ fault: Fault) -> Answer {
        var answer = GRPCStatus.answer(code: fault.code, fault.message)
        if fault == .compressed { answer.fields.append(("grpc-accept-encoding", "identity")) }
        answer.meaning = 400
        return answer
    }
}
