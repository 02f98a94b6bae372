// A query's arguments as octets, so that a key is taken as it was sent.

/// Arguments of a query; names and values are percent-decoded, the rest is left as it stands.
package struct QueryKeys {
    struct Argument {
        let name: [UInt8]
        let value: [UInt8]
        let written: ArraySlice<UInt8>
    }

    var arguments: [Argument]

    /// Reads what follows the `?`.
    package init(_ query: ArraySlice<UInt8>) {
        self.arguments = query.split(separator: UInt8(ascii: "&")).map(Self.argument)
    }

    /// All values of that name, in order.
    package func values(of name: String) -> [[UInt8]] {
        self.arguments.filter { $0.name.elementsEqual(name.utf8) }.map(\.value)
    }

    /// The query without these names; nil when nothing is left.
    package func without(_ names: [String]) -> [UInt8]? {
        var rest = self
        rest.arguments.removeAll { argument in names.contains { argument.name.elementsEqual($0.utf8) } }
        return rest.written
    }

    /// The query as it stands now; nil when nothing is left.
    var written: [UInt8]? {
        self.arguments.isEmpty
            ? nil : Array(self.arguments.map(\.written).joined(separator: [UInt8(ascii: "&")]))
    }

    static func argument(_ written: ArraySlice<UInt8>) -> Argument {
        let equals = written.firstIndex(of: UInt8(ascii: "=")) ?? written.endIndex
        return Argument(
            name: Self.decoded(written[..<equals]),
            value: Self.decoded(written[equals...].dropFirst()),
            written: written
        )
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
