// The plain text that an expression begins with, so that it need not be tried on what begins otherwise.

/// Reads the beginning of an expression; where it is not sure, it finds less.
struct LiteralStart {
    /// The octets with which every anchored match begins; empty where none are plain to see.
    static func of(_ expression: [UInt8]) -> [UInt8] {
        guard !Self.mayBranch(expression) else { return [] }
        var result: [UInt8] = []
        var index = expression.first == UInt8(ascii: "^") ? 1 : 0
        while index < expression.count {
            var octet = expression[index]
            var next = index + 1
            if octet == UInt8(ascii: "\\") {
                // Before a letter or a digit a backslash means something else.
                guard next < expression.count, Self.isMark(expression[next]) else { break }
                octet = expression[next]
                next += 1
            } else if !Self.isPlain(octet) {
                break
            }
            if next < expression.count, Self.makesOptional(expression[next]) { break }
            result.append(octet)
            index = next
        }
        return result
    }

    /// Whether an alternative may stand outside all groups, so that the text before it need not be there.
    private static func mayBranch(_ expression: [UInt8]) -> Bool {
        guard expression.contains(UInt8(ascii: "|")) else { return false }
        var depth = 0
        var index = 0
        while index < expression.count {
            switch expression[index] {
            case UInt8(ascii: "\\"):
                // `\Q` quotes what follows and `\c` takes any character: groups could not be told any more.
                guard index + 1 < expression.count, !Array("QEc".utf8).contains(expression[index + 1]) else {
                    return true
                }
                index += 1
            case UInt8(ascii: "["):
                guard let end = Self.classEnd(expression, index) else { return true }
                index = end
            case UInt8(ascii: "("):
                guard Self.isPlainGroup(expression, index) else { return true }
                depth += 1
            case UInt8(ascii: ")"): depth -= 1
            case UInt8(ascii: "|") where depth == 0: return true
            default: break
            }
            index += 1
        }
        return false
    }

    /// Where the class that begins at `start` ends; nil where it is not a simple one.
    private static func classEnd(_ expression: [UInt8], _ start: Int) -> Int? {
        var index = start + 1
        if index < expression.count, expression[index] == UInt8(ascii: "^") { index += 1 }
        guard index < expression.count, expression[index] != UInt8(ascii: "]") else { return nil }
        while index < expression.count {
            switch expression[index] {
            case UInt8(ascii: "]"): return index
            case UInt8(ascii: "["): return nil
            case UInt8(ascii: "\\"):
                guard index + 1 < expression.count, !Array("QEc".utf8).contains(expression[index + 1]) else {
                    return nil
                }
                index += 2
            default: index += 1
            }
        }
        return nil
    }

    /// Whether the group that begins at `start` is a capture, named or not, a look-around or plain.
    private static func isPlainGroup(_ expression: [UInt8], _ start: Int) -> Bool {
        let rest = expression[(start + 1)...]
        if rest.first == UInt8(ascii: "*") { return false }
        guard rest.first == UInt8(ascii: "?") else { return true }
        return [":", "=", "!", "<", ">", "P<"].contains { rest.dropFirst().starts(with: Array($0.utf8)) }
    }

    private static func isPlain(_ octet: UInt8) -> Bool {
        switch octet {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: Array("/-_~%:,@&=!';".utf8).contains(octet)
        }
    }

    private static func isMark(_ octet: UInt8) -> Bool {
        octet < 0x7F && octet > 0x20 && !octet.isLetterOrDigit
    }

    private static func makesOptional(_ octet: UInt8) -> Bool {
        [UInt8(ascii: "?"), UInt8(ascii: "*"), UInt8(ascii: "{")].contains(octet)
    }
}

extension UInt8 {
    fileprivate var isLetterOrDigit: Bool {
        (0x30...0x39).contains(self) || (0x41...0x5A).contains(self) || (0x61...0x7A).contains(self)
    }
}
