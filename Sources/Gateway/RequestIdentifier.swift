// Identifiers of requests: unlike each other, and no secrets.
import Proxy

/// What a request is called in logs, answers and towards the upstream.
enum RequestIdentifier: Sendable {
    /// One of ours: 32 hexadecimal digits, written out only where somebody wants to read them.
    case own(high: UInt64, low: UInt64)
    /// A trusted peer's.
    case given(String)

    /// The identifier as text.
    var text: String {
        switch self {
        case .given(let text): text
        case .own(let high, let low):
            String(decoding: Self.digits(high) + Self.digits(low), as: UTF8.self)
        }
    }

    /// Sets `X-Request-Id`.
    func set(on fields: inout FieldEdits) throws(FieldEditError) {
        switch self {
        case .given(let text): try fields.set(.xRequestID, text)
        case .own(let high, let low): try fields.set(.xRequestID, hexadecimal: high, low)
        }
    }

    private static func digits(_ value: UInt64) -> [UInt8] {
        stride(from: 60, through: 0, by: -4).map { shift in
            let digit = UInt8(truncatingIfNeeded: value >> UInt64(shift)) & 0xF
            return digit < 10 ? 0x30 + digit : 0x57 + digit
        }
    }
}

/// Makes the identifiers of one worker.
struct RequestIdentifiers {
    private var high: UInt64
    private var low: UInt64

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The next one.
    mutating func next() -> RequestIdentifier {
        let (high, low) = self.nextBits()
        return .own(high: high, low: low)
    }

    /// The next one, as numbers.
    mutating func nextBits() -> (high: UInt64, low: UInt64) {
        self.high = Self.mixed(self.high &+ 0x9E37_79B9_7F4A_7C15)
        self.low &+= 0x9E37_79B9_7F4A_7C15
        return (self.high, Self.mixed(self.low))
    }

    /// The finalizer of SplitMix64.
    private static func mixed(_ seed: UInt64) -> UInt64 {
        var value = seed
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
