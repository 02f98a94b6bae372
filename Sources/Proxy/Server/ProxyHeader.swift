// Who a balancer says that the client is: the PROXY protocol's header, version 1 or 2.

/// The header before everything else of a connection.
enum ProxyHeader: Equatable {
    /// The client's address.
    case client(IPAddress)
    /// The balancer speaks for itself, or does not know.
    case unknown

    /// What came of the octets so far.
    enum Reading: Equatable {
        case incomplete
        case malformed
        /// What the header says, and how long it is.
        case whole(ProxyHeader, count: Int)
    }

    /// Octets of a header of version 2 with everything that may hang on it; those of version 1 have at most 107.
    static let limit = 2048

    private static let signature: [UInt8] = [
        0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
    ]

    static func read(_ octets: [UInt8]) -> Reading {
        guard let first = octets.first else { return .incomplete }
        return first == Self.signature[0] ? Self.readBinary(octets) : Self.readText(octets)
    }

    // MARK: Version 2

    private static func readBinary(_ octets: [UInt8]) -> Reading {
        guard Self.signature.starts(with: octets.prefix(Self.signature.count)) else { return .malformed }
        guard octets.count >= 16 else { return .incomplete }
        let length = Int(octets[14]) << 8 | Int(octets[15])
        let count = 16 + length
        guard count <= Self.limit else { return .malformed }
        guard octets.count >= count else { return .incomplete }
        switch (octets[12], octets[13]) {
        case (0x20, _): return .whole(.unknown, count: count)
        case (0x21, 0x00): return .whole(.unknown, count: count)
        case (0x21, 0x11):
            guard length >= 12 else { return .malformed }
            let address = octets[16..<20].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            return .whole(.client(IPAddress(v4: address)), count: count)
        case (0x21, 0x21):
            guard length >= 36 else { return .malformed }
            let (high, low) = (Self.half(octets[16..<24]), Self.half(octets[24..<32]))
            return .whole(.client(IPAddress(high: high, low: low)), count: count)
        default: return .malformed
        }
    }

    private static func half(_ octets: ArraySlice<UInt8>) -> UInt64 {
        octets.reduce(0) { $0 << 8 | UInt64($1) }
    }

    // MARK: Version 1

    private static func readText(_ octets: [UInt8]) -> Reading {
        let begin = Array("PROXY ".utf8)
        guard begin.starts(with: octets.prefix(begin.count)) else { return .malformed }
        let line = octets.prefix(107)
        guard let end = line.firstIndex(of: 0x0A) else {
            return line.count < 107 ? .incomplete : .malformed
        }
        guard end > 0, line[end - 1] == 0x0D else { return .malformed }
        let text = String(decoding: line[..<(end - 1)], as: UTF8.self)
        let words = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        if words.count > 1, words[1] == "UNKNOWN" { return .whole(.unknown, count: end + 1) }
        guard words.count == 6, words[1] == "TCP4" || words[1] == "TCP6",
            let source = IPAddress(words[2]), IPAddress(words[3]) != nil,
            [words[2], words[3]].allSatisfy({ $0.contains(":") == (words[1] == "TCP6") }),
            Self.isPort(words[4]), Self.isPort(words[5])
        else { return .malformed }
        return .whole(.client(source), count: end + 1)
    }

    private static func isPort(_ text: String) -> Bool {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } && UInt16(text) != nil
            && (text == "0" || text.first != "0")
    }
}
