// A regular expression that cannot run away.
import CPCRE2

/// Why a pattern cannot be used, or an answer not be found.
package enum PatternError: Error, Sendable, Equatable {
    /// The expression is ill-formed; PCRE2's words and the octet where it gave up.
    case malformed(String, offset: Int)
    /// The subject asks for more work or memory than is left for it.
    case exhausted
    /// No memory.
    case outOfMemory
}

/// A compiled PCRE2 expression over octets, whose matches draw on a `PatternBudget`; shared freely.
///
/// `$` is the very end; `\C`, UTF modes, `(*COMMIT)` and `(*SKIP)` are off. PCRE2's JIT is not used: it does not
/// count every step, so that no limit would hold.
@safe package final class Pattern: Sendable {
    /// How an expression is compared.
    package enum Case: Sendable {
        case sensitive
        case insensitive
    }

    /// Where in the subject a match must begin.
    package enum Start: Sendable {
        case anywhere
        case anchored
    }

    /// What the first octet of a match can be.
    private enum Beginning: Sendable {
        case any
        /// Only the subject's beginning, or what follows a line's end.
        case line
        /// One bit an octet.
        case octets([4 of UInt64])
    }

    /// What every subject begins with that matches anchored; empty where that is not plain to see.
    package let literalStart: [UInt8]

    // SAFETY: PCRE2 code is not written after creation; matching only reads it (pcre2api, "Multithreading"), and each
    // budget has its own match data and context.
    private nonisolated(unsafe) let code: OpaquePointer
    private let isAnchored: Bool
    private let beginning: Beginning
    private let frameBytes: Int

    /// Compiles an expression.
    package init(_ expression: String, case comparison: Case = .sensitive) throws(PatternError) {
        let octets = Array(expression.utf8)
        // A match is sought place by place, which these two would have to stop.
        for verb in ["(*COMMIT", "(*SKIP"] {
            if let place = Self.place(of: Array(verb.utf8), in: octets) {
                throw .malformed("\(verb)) is not served", offset: place)
            }
        }
        var options = PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY
        if comparison == .insensitive { options |= PCRE2_CASELESS }
        var number: Int32 = 0
        var offset = 0
        let compiled = unsafe octets.withUnsafeBufferPointer { buffer in
            unsafe pcre2_compile_8(buffer.baseAddress, buffer.count, options, &number, &offset, nil)
        }
        guard let code = unsafe compiled else {
            throw .malformed(Self.words(number), offset: offset)
        }
        unsafe self.code = code
        self.literalStart = comparison == .sensitive ? LiteralStart.of(octets) : []
        self.isAnchored = unsafe Self.number(code, UInt32(PCRE2_INFO_ALLOPTIONS)) & PCRE2_ANCHORED != 0
        self.beginning = unsafe Self.beginning(code)
        var frame = 0
        unsafe pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_FRAMESIZE), &frame)
        self.frameBytes = frame
    }

    deinit {
        unsafe pcre2_code_free_8(self.code)
    }

    // MARK: Matching

    /// Whether the subject matches.
    package func matches(
        _ subject: Span<UInt8>,
        start: Start = .anywhere,
        budget: inout PatternBudget
    ) throws(PatternError) -> Bool {
        try self.firstMatch(in: subject, start: start, budget: &budget) != nil
    }

    /// Where the subject matches first, if it does.
    package func firstMatch(
        in subject: Span<UInt8>,
        start: Start = .anywhere,
        budget: inout PatternBudget
    ) throws(PatternError) -> Range<Int>? {
        if start == .anchored || self.isAnchored { return try self.match(at: 0, of: subject, &budget) }
        try budget.charge(1 + subject.count / 16)
        for place in 0...subject.count where self.mayBegin(at: place, of: subject) {
            if let range = try self.match(at: place, of: subject, &budget) { return range }
        }
        return nil
    }

    /// Where a named group is in a match that begins with the subject; nil if it has no part in it, or nothing matches.
    package func capture(
        _ name: String,
        in subject: Span<UInt8>,
        budget: inout PatternBudget
    ) throws(PatternError) -> Range<Int>? {
        let number = unsafe pcre2_substring_number_from_name_8(self.code, Array(name.utf8) + [0])
        guard number > 0 else { return nil }
        return try unsafe budget.match(
            self.code,
            at: 0,
            of: subject,
            frameBytes: self.frameBytes,
            group: Int(number)
        )
    }

    private func match(
        at place: Int,
        of subject: Span<UInt8>,
        _ budget: inout PatternBudget
    ) throws(PatternError) -> Range<Int>? {
        try unsafe budget.match(self.code, at: place, of: subject, frameBytes: self.frameBytes)
    }

    private func mayBegin(at place: Int, of subject: Span<UInt8>) -> Bool {
        switch self.beginning {
        case .any: true
        // Which octets end a line depends on the expression; these are all that can.
        case .line: place == 0 || subject[place - 1] < 0x20 || subject[place - 1] > 0x7E
        case .octets(let set):
            place < subject.count && (set[Int(subject[place] >> 6)] >> UInt64(subject[place] & 63)) & 1 == 1
        }
    }

    // MARK: Facts of a compiled expression

    private static func number(_ code: OpaquePointer, _ what: UInt32) -> UInt32 {
        var value: UInt32 = 0
        unsafe pcre2_pattern_info_8(code, what, &value)
        return value
    }

    private static func beginning(_ code: OpaquePointer) -> Beginning {
        var set: [4 of UInt64] = .init(repeating: 0)
        switch unsafe self.number(code, UInt32(PCRE2_INFO_FIRSTCODETYPE)) {
        case 1:
            // PCRE2 does not say whether case counts for it.
            let octet = UInt8(truncatingIfNeeded: unsafe self.number(code, UInt32(PCRE2_INFO_FIRSTCODEUNIT)))
            for one in [octet, octet ^ 0x20] { set[Int(one >> 6)] |= 1 << UInt64(one & 63) }
            return .octets(set)
        case 2: return .line
        default:
            var bits: UnsafePointer<UInt8>?
            unsafe pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_FIRSTBITMAP), &bits)
            guard let bits = unsafe bits else { return .any }
            for index in 0..<32 { set[index / 8] |= UInt64(unsafe bits[index]) << UInt64(index % 8 * 8) }
            return .octets(set)
        }
    }

    private static func place(of words: [UInt8], in octets: [UInt8]) -> Int? {
        guard octets.count >= words.count else { return nil }
        return (0...(octets.count - words.count)).first { octets[$0...].starts(with: words) }
    }

    /// PCRE2's words for an error of compilation.
    private static func words(_ number: Int32) -> String {
        var buffer = [UInt8](repeating: 0, count: 160)
        let count = unsafe buffer.withUnsafeMutableBufferPointer { buffer in
            unsafe pcre2_get_error_message_8(number, buffer.baseAddress, buffer.count)
        }
        guard count > 0 else { return "ill-formed" }
        return String(decoding: buffer[..<Int(count)], as: UTF8.self)
    }
}
