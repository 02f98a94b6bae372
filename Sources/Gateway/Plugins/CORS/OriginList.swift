// Which origins may read answers.
import Pattern
import Proxy

/// What a list of origins says of one that asks.
enum OriginVerdict: Sendable {
    /// Everybody may: `*`.
    case everybody
    /// Whoever asks, only this one may.
    case onlyOne
    /// The one that asks may.
    case asker
    case refused
}

/// The `origins` of `cors`, compiled.
///
/// A text of letters, digits and `.:/-` is an origin, everything else an expression, as in Kong; an
/// expression without a colon is compared with the host alone. Expressions have to match from end to end.
struct OriginList: Sendable {
    private enum Entry: Sendable {
        case exact([UInt8])
        case pattern(Pattern, ofHost: Bool)
    }

    private let entries: [Entry]
    /// Whether everybody may, because nothing or `*` is written.
    let isOpen: Bool
    /// The only origin there is, if it is one.
    let single: [UInt8]?

    /// Reads a list; the error is a sentence about one entry.
    init(_ texts: [String]) throws(OriginList.Failure) {
        self.isOpen = texts.isEmpty || texts.contains("*")
        var entries: [Entry] = []
        for text in texts where text != "*" { entries.append(try Self.entry(text)) }
        self.entries = entries
        if !self.isOpen, entries.count == 1, case .exact(let origin) = entries[0] {
            self.single = origin
        } else {
            self.single = nil
        }
    }

    /// Why an entry cannot be used.
    struct Failure: Error {
        let words: String
    }

    private static func entry(_ text: String) throws(Failure) -> Entry {
        guard text.utf8.allSatisfy(Self.isPlain) else { return try Self.pattern(text) }
        guard text != "null" else {
            throw Failure(words: "'null' is what any sandboxed page sends: it names nobody")
        }
        let octets = Array(text.lowercased().utf8)
        let normal = Self.normal(octets)
        guard let host = Self.host(octets), !host.isEmpty, !octets[host].contains(UInt8(ascii: "/")) else {
            throw Failure(
                words: "'\(text)' is no origin; expected scheme and host, such as https://app.example.com"
            )
        }
        return .exact(normal)
    }

    private static func pattern(_ text: String) throws(Failure) -> Entry {
        do throws(PatternError) {
            _ = try Pattern(text)
            return .pattern(try Pattern("^(?:\(text))$"), ofHost: !text.utf8.contains(UInt8(ascii: ":")))
        } catch {
            guard case .malformed(let why, let offset) = error else {
                throw Failure(words: "no memory for the expression")
            }
            throw Failure(words: "the expression '\(text)' is ill-formed at \(offset): \(why)")
        }
    }

    private static func isPlain(_ octet: UInt8) -> Bool {
        switch octet {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "/"),
            UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// Where host and port stand: behind `://`.
    private static func host(_ origin: [UInt8]) -> Range<Int>? {
        guard let colon = origin.firstIndex(of: UInt8(ascii: ":")), colon > 0, origin.count > colon + 3,
            origin[colon + 1] == UInt8(ascii: "/"), origin[colon + 2] == UInt8(ascii: "/")
        else { return nil }
        return colon + 3..<origin.count
    }

    /// The origin without its scheme's own port.
    private static func normal(_ origin: [UInt8]) -> [UInt8] {
        for (scheme, port) in [("http://", ":80"), ("https://", ":443")]
        where origin.starts(with: scheme.utf8) && origin.suffix(port.utf8.count).elementsEqual(port.utf8) {
            return Array(origin.dropLast(port.utf8.count))
        }
        return origin
    }

    /// What is said of an origin; an expression that takes too long lets nobody in.
    func verdict(_ asker: ArraySlice<UInt8>?) -> OriginVerdict {
        if self.isOpen { return .everybody }
        if self.single != nil { return .onlyOne }
        guard let asker else { return .refused }
        let origin = Array(asker)
        // All patterns of the list together may cost a request no more than its routes' may.
        var budget = PatternBudget()
        for entry in self.entries {
            switch entry {
            case .exact(let known):
                if known == origin { return .asker }
            case .pattern(let pattern, let ofHost):
                let subject = ofHost ? Self.hostName(origin) : origin
                if Self.matches(pattern, subject, &budget) { return .asker }
            }
        }
        return .refused
    }

    /// The host without its port; nothing where there is none.
    private static func hostName(_ origin: [UInt8]) -> [UInt8] {
        guard let host = Self.host(origin) else { return [] }
        return Array(origin[host].prefix { $0 != UInt8(ascii: ":") })
    }

    private static func matches(
        _ pattern: Pattern,
        _ subject: [UInt8],
        _ budget: inout PatternBudget
    ) -> Bool {
        guard !subject.isEmpty else { return false }
        do throws(PatternError) {
            return try pattern.matches(subject.span, budget: &budget)
        } catch {
            return false
        }
    }
}
