// The arguments of a query or a form.

/// Arguments by name, decoded; names that occur twice are told apart.
package struct QueryArguments: Sendable, Equatable {
    /// Names and values in order.
    package let pairs: [Pair]

    /// One argument.
    package struct Pair: Sendable, Equatable {
        /// The decoded name.
        package let name: String
        /// The decoded value; empty without `=`.
        package let value: String
    }

    /// Reads `a=b&c=d` (application/x-www-form-urlencoded); nil if an escape is broken or it is no UTF-8.
    package init?(_ text: some Collection<UInt8>) {
        var pairs: [Pair] = []
        for part in text.split(separator: UInt8(ascii: "&")) {
            let sides = part.split(
                separator: UInt8(ascii: "="),
                maxSplits: 1,
                omittingEmptySubsequences: false
            )
            guard pairs.count < 100, let first = sides.first, let name = Self.decoded(first),
                let value = sides.count > 1 ? Self.decoded(sides[1]) : ""
            else { return nil }
            pairs.append(Pair(name: name, value: value))
        }
        self.pairs = pairs
    }

    /// The value called `name` if it occurs exactly once.
    package func single(_ name: String) -> String? {
        let found = pairs.filter { $0.name == name }
        return found.count == 1 ? found[0].value : nil
    }

    /// How often `name` occurs.
    package func count(of name: String) -> Int { pairs.count { $0.name == name } }

    /// Whether one of `names` occurs more than once (security rows A8, S6).
    package func repeats(_ names: [String]) -> Bool { names.contains { count(of: $0) > 1 } }

    /// One name or value of a form, decoded; nil if an escape is broken or it is no UTF-8.
    static func decoded(_ text: String) -> String? { decoded(text.utf8) }

    private static func decoded(_ octets: some Collection<UInt8>) -> String? {
        var result: [UInt8] = []
        var rest = octets[...]
        while let octet = rest.popFirst() {
            switch octet {
            case UInt8(ascii: "+"): result.append(0x20)
            case UInt8(ascii: "%"):
                guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit)
                else { return nil }
                result.append(high << 4 | low)
            default: result.append(octet)
            }
        }
        return String(validating: result, as: UTF8.self)
    }

    private static func digit(_ octet: UInt8) -> UInt8? {
        switch octet {
        case 0x30...0x39: octet - 0x30
        case 0x41...0x46: octet - 0x37
        case 0x61...0x66: octet - 0x57
        default: nil
        }
    }

    /// Text as it may stand in a query: everything but unreserved characters percent-encoded (RFC 3986 §2.3).
    package static func encoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var octets: [UInt8] = []
        for octet in text.utf8 {
            switch octet {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                octets.append(octet)
            default:
                octets.append(contentsOf: [
                    UInt8(ascii: "%"), digits[Int(octet >> 4)], digits[Int(octet & 15)],
                ])
            }
        }
        return String(decoding: octets, as: UTF8.self)
    }
}
