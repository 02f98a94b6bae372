// The registered claims of a token, each looked for once.

/// Where the registered claims of one token are, and what its dates say (RFC 7519 §4.1).
struct RegisteredClaims: Sendable {
    /// A registered claim.
    enum Name: Int {
        case iss, sub, aud, exp, nbf, iat, jti

        /// The name as a token writes it.
        var text: String {
            switch self {
            case .iss: "iss"
            case .sub: "sub"
            case .aud: "aud"
            case .exp: "exp"
            case .nbf: "nbf"
            case .iat: "iat"
            case .jti: "jti"
            }
        }

        /// The claim of a name, if it is registered.
        init?(_ mark: NameMark) {
            // Three letters, the first in the lowest octet.
            switch mark.bits {
            case 0x0300_0000_0073_7369: self = .iss
            case 0x0300_0000_0062_7573: self = .sub
            case 0x0300_0000_0064_7561: self = .aud
            case 0x0300_0000_0070_7865: self = .exp
            case 0x0300_0000_0066_626E: self = .nbf
            case 0x0300_0000_0074_6169: self = .iat
            case 0x0300_0000_0069_746A: self = .jti
            default: return nil
            }
        }
    }

    /// A place's two ends; none begins at zero, where the object's brace is.
    private var starts = InlineArray<7, Int>(repeating: 0)
    private var ends = InlineArray<7, Int>(repeating: 0)
    private var dates = InlineArray<7, Double>(repeating: .nan)

    /// Looks at all members once.
    init(_ claims: JSONObjectText) {
        claims.forEachRegistered { name, place in
            starts[name.rawValue] = place.lowerBound
            ends[name.rawValue] = place.upperBound
        }
        read(.exp, claims)
        read(.nbf, claims)
        read(.iat, claims)
    }

    private mutating func read(_ name: Name, _ claims: JSONObjectText) {
        if let place = place(name), let date = claims.number(at: place) { dates[name.rawValue] = date }
    }

    /// Where the value of a claim is.
    func place(_ name: Name) -> Range<Int>? {
        let start = starts[name.rawValue]
        return start > 0 ? start..<ends[name.rawValue] : nil
    }

    /// The date of a claim; nothing where it is absent, no number, or beyond any.
    func date(_ name: Name) -> Double? {
        let date = dates[name.rawValue]
        return date.isFinite ? date : nil
    }
}
