// A query's arguments as octets, so that a key is taken as it was sent.

/// Arguments of a query; names and values are percent-decoded, the rest is left as it stands.
struct QueryKeys {
    private struct Argument {
        let name: [UInt8]
        let value: [UInt8]
        let written: ArraySlice<UInt8>
    }

    private let arguments: [Argument]

    /// Reads what follows the `?`.
    init(_ query: ArraySlice<UInt8>) {
        self.arguments = query.split(separator: UInt8(ascii: "&")).map { written in
            let equals = written.firstIndex(of: UInt8(ascii: "=")) ?? written.endIndex
            return Argument(
                name: Self.decoded(written[..<equals]),
                value: Self.decoded(written[equals...].dropFirst()),
                written: written
            )
        }
    }

    /// All values of that name, in order.
    func values(of name: String) -> [[UInt8]] {
        self.arguments.filter { $0.name.elementsEqual(name.utf8) }.map(\.value)
    }

    /// The query without these names; nil when nothing is left.
    func without(_ names: [String]) -> [UInt8]? {
        let kept = self.arguments.filter { argument in
            !names.contains { argument.name.elementsEqual($0.utf8) }
        }
        return kept.isEmpty ? nil : Array(kept.map(\.written).joined(separator: [UInt8(ascii: "&")]))
    }

    private static func decoded(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var index = text.startIndex
        while index < text.endIndex {
            let octet = text[index]
            if octet == UInt8(ascii: "%"), text.endIndex - index > 2, let high = Self.digit(text[index + 1]),
                let low = Self.digit(text[index + 2])
            {
                result.append(high << 4 | low)
                index += 3
                continue
            }
            result.append(octet == UInt8(ascii: "+") ? UInt8(ascii: " ") : octet)
            index += 1
        }
        return result
    }

    private static func digit(_ octet: UInt8) -> UInt8? {
        switch octet {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): octet - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): octet - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): octet - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
