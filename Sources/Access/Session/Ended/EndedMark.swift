// What an ended session, or a set of sessions, is remembered by.
import Cryptography

/// The first 128 bits of an owner's key: enough to know it again, and it takes no text to look for it.
struct EndedMark: Sendable, Hashable {
    let high: UInt64
    let low: UInt64

    /// Marks whose sessions are meant.
    init(_ owner: SessionOwner) throws(CryptoError) {
        guard let mark = EndedMark(try owner.key()) else { throw .wrongLength(expected: 64) }
        self = mark
    }

    /// Reads the first 32 of a key's digits; nil where they are none.
    init?(_ key: OwnerKey) {
        self.init(digits: key.text.prefix(32))
    }

    /// Reads 32 hexadecimal digits.
    init?(digits: some StringProtocol) {
        guard digits.utf8.count == 32, let high = UInt64(digits.prefix(16), radix: 16),
            let low = UInt64(digits.suffix(16), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
    }

    /// Takes both halves as they are.
    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// 32 hexadecimal digits.
    var digits: String {
        Hexadecimal.encode(
            [high, low].flatMap { half in (0..<8).map { UInt8(truncatingIfNeeded: half >> (56 - 8 * $0)) } }
        )
    }

    // The bits are random already.
    func hash(into hasher: inout Hasher) { hasher.combine(low) }
}

/// Sessions that were ended: those of an owner that began by a moment.
struct EndedRecord: Sendable, Equatable {
    let mark: EndedMark
    /// The mark of the issuer whose sessions they are; nil where that is not known, or they are everyone's.
    let issuer: EndedMark?
    /// Sessions that began later live on; seconds since 1970 by the issuer's clock, as `Session.beganAt`.
    let cut: Double
    /// When no such session can be alive any more by itself; seconds since 1970.
    let until: Double
}
