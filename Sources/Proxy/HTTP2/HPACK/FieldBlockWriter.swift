// Fields to field blocks of HTTP/2: HPACK as a writer (RFC 7541).

/// Writes fields that depend on nothing sent before: no table is kept for a peer, so blocks may go out in any order.
enum FieldBlockWriter {
    /// How a field is meant to be kept on its way.
    enum Keeping: UInt8 {
        /// Others may enter it into their tables.
        case free = 0x00
        /// Nobody may: it is a secret (RFC 7541 §7.1.3).
        case never = 0x10
    }

    /// Says that the peer's table is used no more; goes before the first block if the peer made it smaller (§4.2).
    static let noTable: UInt8 = 0x20

    /// Appends `:status`.
    static func append(status: Int, to block: inout [UInt8]) {
        switch status {
        case 200: block.append(0x88)
        case 204: block.append(0x89)
        case 206: block.append(0x8A)
        case 304: block.append(0x8B)
        case 400: block.append(0x8C)
        case 404: block.append(0x8D)
        case 500: block.append(0x8E)
        default:
            block.append(0x08)
            block.append(3)
            block.appendDecimal(status)
        }
    }

    /// Appends a field with the name of a static entry and another value.
    static func append(
        entry: UInt8,
        _ bytes: [UInt8],
        value: Range<Int>,
        _ keeping: Keeping = .free,
        to block: inout [UInt8]
    ) {
        Self.append(Int(entry), bits: 4, keeping.rawValue, to: &block)
        Self.appendValue(bytes, value, to: &block)
    }

    /// Appends a field; its name goes out in lower case (RFC 9113 §8.2.1).
    static func append(
        _ bytes: [UInt8],
        name: Range<Int>,
        value: Range<Int>,
        _ keeping: Keeping = .free,
        to block: inout [UInt8]
    ) {
        let entry = StaticTable.index(of: name, in: bytes.span)
        Self.append(Int(entry), bits: 4, keeping.rawValue, to: &block)
        if entry == 0 {
            Self.append(name.count, bits: 7, 0, to: &block)
            for place in name { block.append(Octet.lowercased(bytes[place])) }
        }
        Self.appendValue(bytes, value, to: &block)
    }

    private static func appendValue(_ bytes: [UInt8], _ range: Range<Int>, to block: inout [UInt8]) {
        Self.append(range.count, bits: 7, 0, to: &block)
        block.append(contentsOf: bytes[range])
    }

    /// Appends a number behind the high bits of its first octet (RFC 7541 §5.1).
    private static func append(_ number: Int, bits: UInt8, _ high: UInt8, to block: inout [UInt8]) {
        let most = 1 &<< Int(bits) &- 1
        guard number >= most else { return block.append(high | UInt8(truncatingIfNeeded: number)) }
        block.append(high | UInt8(truncatingIfNeeded: most))
        var rest = number &- most
        while rest >= 128 {
            block.append(UInt8(truncatingIfNeeded: rest & 0x7F) | 0x80)
            rest &>>= 7
        }
        block.append(UInt8(truncatingIfNeeded: rest))
    }
}
