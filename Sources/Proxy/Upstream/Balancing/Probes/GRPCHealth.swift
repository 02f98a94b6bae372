// gRPC's own question for a server's health, in octets (`grpc.health.v1.Health/Check`).

/// What a check by gRPC sends, and what an answer says.
enum GRPCHealth {
    /// `HealthCheckRequest` for the server as a whole: an empty message in gRPC's frame of five octets.
    static let question = [UInt8](repeating: 0, count: 5)

    /// The status `SERVING`.
    private static let serving: UInt64 = 1

    /// The head of the call, as a field block of HTTP/2.
    static func block(_ fields: [String], host: String, isSecure: Bool) -> [UInt8] {
        var text = "POST /grpc.health.v1.Health/Check HTTP/1.1\r\nHost: \(host)\r\n"
        text += "content-type: application/grpc\r\n"
        for field in fields { text += "\(field)\r\n" }
        var block: [UInt8] = []
        HTTP2Head.request(Array("\(text)\r\n".utf8), isSecure: isSecure, into: &block)
        return block
    }

    /// What a whole answer says of the server.
    ///
    /// - Parameters:
    ///   - status: of HTTP.
    ///   - callStatus: `grpc-status`; nil if there was none.
    ///   - body: all data of the answer.
    static func evidence(status: String?, callStatus: String?, body: [UInt8]) -> HealthEvidence {
        guard status == "200" else { return status == nil ? .tcpFailure : .httpFailure }
        guard let callStatus else { return .tcpFailure }
        guard callStatus == "0" else { return .httpFailure }
        return Self.isServing(body).map { $0 ? .success : .httpFailure } ?? .tcpFailure
    }

    /// Whether a body of one `HealthCheckResponse` says `SERVING`; nil for what is none.
    static func isServing(_ body: [UInt8]) -> Bool? {
        // Not compressed, since nothing said that we could read that; then its length.
        guard body.count >= 5, body[0] == 0 else { return nil }
        let length = body[1..<5].reduce(0) { $0 << 8 | Int($1) }
        guard body.count == 5 + length else { return nil }
        var rest = body[5...]
        var status: UInt64 = 0
        while !rest.isEmpty {
            guard let tag = Self.number(&rest) else { return nil }
            switch tag & 7 {
            case 0:
                guard let value = Self.number(&rest) else { return nil }
                if tag >> 3 == 1 { status = value }
            case 1: guard Self.skip(8, &rest) else { return nil }
            case 2: guard let count = Self.number(&rest), Self.skip(count, &rest) else { return nil }
            case 5: guard Self.skip(4, &rest) else { return nil }
            default: return nil
            }
        }
        return status == Self.serving
    }

    /// A number as protocol buffers write it, seven bits an octet.
    private static func number(_ octets: inout ArraySlice<UInt8>) -> UInt64? {
        var number: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard let octet = octets.popFirst() else { return nil }
            number |= UInt64(octet & 0x7F) << shift
            if octet < 0x80 { return number }
        }
        return nil
    }

    private static func skip(_ count: UInt64, _ octets: inout ArraySlice<UInt8>) -> Bool {
        guard count <= UInt64(octets.count) else { return false }
        octets.removeFirst(Int(count))
        return true
    }
}
