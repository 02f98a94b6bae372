// What a client says of itself before a handshake begins: enough to choose a certificate.

/// The part of a ClientHello by which a certificate is chosen (RFC 8446 §4.1.2, RFC 6066 §3).
struct ClientHello: Equatable {
    /// What came of the octets so far.
    enum Reading: Equatable {
        /// More is needed; nothing changes before there are so many octets.
        case incomplete(until: Int)
        case malformed
        case whole(ClientHello)
    }

    /// Octets of a ClientHello; BoringSSL takes no longer one either.
    static let limit = 16_384

    /// The name asked for, in lower case and without a dot at its end; nil if none was.
    var serverName: String?
    /// Whether a certificate with a key on an elliptic curve will do.
    var takesECDSA = false

    /// Reads the records of a handshake's first message; it may be spread over several.
    static func read(_ octets: [UInt8]) -> Reading {
        var message: [UInt8] = []
        var index = 0
        while true {
            guard index < octets.count else { return .incomplete(until: index + 5) }
            guard octets[index] == 22, index + 1 >= octets.count || octets[index + 1] == 3 else {
                return .malformed
            }
            guard index + 5 <= octets.count else { return .incomplete(until: index + 5) }
            let length = Int(octets[index + 3]) << 8 | Int(octets[index + 4])
            guard (1...16_384).contains(length) else { return .malformed }
            let end = index + 5 + length
            guard end <= octets.count else { return .incomplete(until: end) }
            message += octets[(index + 5)..<end]
            index = end
            guard message.count >= 4 else { continue }
            let size = 4 + (Int(message[1]) << 16 | Int(message[2]) << 8 | Int(message[3]))
            guard message[0] == 1, size <= Self.limit else { return .malformed }
            guard message.count >= size else { continue }
            return Self.hello(Cursor(message, 4..<size)).map { .whole($0) } ?? .malformed
        }
    }

    private static func hello(_ cursor: Cursor) -> ClientHello? {
        var cursor = cursor
        var hello = ClientHello()
        guard cursor.skip(34), cursor.vector(1) != nil, let suites = cursor.vector(2),
            cursor.vector(1) != nil
        else { return nil }
        // Without extensions there is neither a name nor an algorithm.
        guard cursor.count > 0 else { return hello }
        guard var extensions = cursor.vector(2), cursor.count == 0 else { return nil }
        var (schemes, isModern): ([Int], Bool) = ([], false)
        var seen: Set<Int> = []
        while extensions.count > 0 {
            guard let kind = extensions.number(2), var body = extensions.vector(2), seen.insert(kind).inserted
            else { return nil }
            switch kind {
            case 0:
                guard let name = Self.name(&body) else { return nil }
                hello.serverName = name
            case 13:
                guard let list = body.vector(2)?.numbers() else { return nil }
                schemes = list
            case 43:
                guard let versions = body.vector(1)?.numbers() else { return nil }
                isModern = versions.contains(0x0304)
            default: continue
            }
        }
        guard let list = suites.numbers() else { return nil }
        hello.takesECDSA =
            schemes.contains { [0x0403, 0x0503, 0x0603].contains($0) }
            && (isModern || list.contains { Self.ecdsaSuites.contains($0) })
        return hello
    }

    /// TLS 1.2's suites that want such a key.
    private static let ecdsaSuites: Set<Int> = [
        0xC009, 0xC00A, 0xC023, 0xC024, 0xC02B, 0xC02C, 0xCCA9,
    ]

    /// The one host name of the extension; nil if it is anything else.
    private static func name(_ body: inout Cursor) -> String? {
        guard var list = body.vector(2), body.count == 0, list.number(1) == 0, let name = list.vector(2),
            list.count == 0, (1...255).contains(name.count)
        else { return nil }
        var octets = name.octets.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
        guard octets.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
        if octets.count > 1, octets.last == UInt8(ascii: ".") { octets.removeLast() }
        return String(decoding: octets, as: UTF8.self)
    }
}

/// Takes numbers and vectors off a message (RFC 8446 §3).
private struct Cursor {
    private let message: [UInt8]
    private var range: Range<Int>

    init(_ message: [UInt8], _ range: Range<Int>) {
        self.message = message
        self.range = range
    }

    var count: Int { self.range.count }
    var octets: ArraySlice<UInt8> { self.message[self.range] }

    mutating func skip(_ count: Int) -> Bool {
        guard count <= self.range.count else { return false }
        self.range = (self.range.lowerBound + count)..<self.range.upperBound
        return true
    }

    mutating func number(_ size: Int) -> Int? {
        let start = self.range.lowerBound
        guard self.skip(size) else { return nil }
        return self.message[start..<(start + size)].reduce(0) { $0 << 8 | Int($1) }
    }

    /// What follows behind its own length, a number of `size` octets.
    mutating func vector(_ size: Int) -> Cursor? {
        guard let length = self.number(size) else { return nil }
        let start = self.range.lowerBound
        return self.skip(length) ? Cursor(self.message, start..<(start + length)) : nil
    }

    /// Nothing but numbers of two octets.
    func numbers() -> [Int]? {
        guard self.count % 2 == 0 else { return nil }
        return stride(from: self.range.lowerBound, to: self.range.upperBound, by: 2).map {
            Int(self.message[$0]) << 8 | Int(self.message[$0 + 1])
        }
    }
}
