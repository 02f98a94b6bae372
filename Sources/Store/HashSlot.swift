// Which slot of a cluster a key lies in.

/// The number that decides which server of a cluster has a key (Redis Cluster specification, "Key distribution model").
enum HashSlot {
    /// How many there are.
    static let count = 16_384

    /// The slot of a key: of its hash tag, if it has one.
    static func slot(of key: [UInt8]) -> Int { Int(Self.checksum(Self.tag(key))) % Self.count }

    /// What lies between the first `{` and the first `}` behind it; the whole key where that is nothing.
    private static func tag(_ key: [UInt8]) -> ArraySlice<UInt8> {
        guard let open = key.firstIndex(of: UInt8(ascii: "{")),
            let close = key[(open + 1)...].firstIndex(of: UInt8(ascii: "}")), close > open + 1
        else { return key[...] }
        return key[(open + 1)..<close]
    }

    /// CRC-16/XMODEM: polynomial 0x1021, from zero, nothing reflected.
    static func checksum(_ octets: ArraySlice<UInt8>) -> UInt16 {
        octets.reduce(0) { sum, octet in sum << 8 ^ Self.table[Int(sum >> 8) ^ Int(octet)] }
    }

    private static let table: [UInt16] = (0..<256).map { first in
        (0..<8).reduce(UInt16(first) << 8) { sum, _ in sum & 0x8000 == 0 ? sum << 1 : sum << 1 ^ 0x1021 }
    }
}
