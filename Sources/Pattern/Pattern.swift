// A regular expression that cannot run away.
import CPCRE2

/// Why a pattern cannot be used, or an answer not be found.
package enum PatternError: Error, Sendable, Equatable {
    /// The expression is ill-formed; PCRE2's words and the octet where it gave up.
    case malformed(String, offset: Int)
    /// The subject asks for more steps or memory than a match may take.
    case exhausted
    /// No memory.
    case outOfMemory
}

/// A compiled PCRE2 expression over octets, with bounds on what one match may cost; shared freely.
///
/// `$` is the very end; `\C` and UTF modes are off.
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

    /// Steps that one match may take; `(a+)+$` on a long subject meets it within milliseconds.
    private static let matchLimit: UInt32 = 100_000
    /// Nested backtracking points.
    private static let depthLimit: UInt32 = 10_000
    /// Heap of one match in KiB.
    private static let heapLimitKiB: UInt32 = 2048

    // SAFETY: PCRE2 code and match contexts are not written after creation; matching only reads them (pcre2api,
    // "Multithreading"), and each match has its own match data.
    private nonisolated(unsafe) let code: OpaquePointer
    private nonisolated(unsafe) let context: OpaquePointer

    /// Compiles an expression.
    package init(_ expression: String, case comparison: Case = .sensitive) throws(PatternError) {
        var options = PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY
        if comparison == .insensitive { options |= PCRE2_CASELESS }
        var number: Int32 = 0
        var offset = 0
        let octets = Array(expression.utf8)
        let compiled = unsafe octets.withUnsafeBufferPointer { buffer in
            unsafe pcre2_compile_8(buffer.baseAddress, buffer.count, options, &number, &offset, nil)
        }
        guard let code = unsafe compiled else {
            throw .malformed(Self.words(number), offset: offset)
        }
        guard let context = unsafe pcre2_match_context_create_8(nil) else {
            unsafe pcre2_code_free_8(code)
            throw .outOfMemory
        }
        guard unsafe pcre2_set_match_limit_8(context, Self.matchLimit) == 0,
            unsafe pcre2_set_depth_limit_8(context, Self.depthLimit) == 0,
            unsafe pcre2_set_heap_limit_8(context, Self.heapLimitKiB) == 0
        else {
            unsafe pcre2_match_context_free_8(context)
            unsafe pcre2_code_free_8(code)
            throw .outOfMemory
        }
        // Where the machine has no JIT the interpreter serves, under the same limits.
        _ = unsafe pcre2_jit_compile_8(code, PCRE2_JIT_COMPLETE)
        unsafe self.code = code
        unsafe self.context = context
    }

    deinit {
        unsafe pcre2_match_context_free_8(self.context)
        unsafe pcre2_code_free_8(self.code)
    }

    /// Whether the subject matches.
    package func matches(_ subject: Span<UInt8>, start: Start = .anywhere) throws(PatternError) -> Bool {
        try self.firstMatch(in: subject, start: start) != nil
    }

    /// Whether a text's UTF-8 matches.
    package func matches(_ subject: String, start: Start = .anywhere) throws(PatternError) -> Bool {
        try self.firstMatch(in: Array(subject.utf8).span, start: start) != nil
    }

    /// Where the subject matches first, if it does.
    package func firstMatch(
        in subject: Span<UInt8>,
        start: Start = .anywhere
    ) throws(PatternError) -> Range<Int>? {
        guard let data = unsafe pcre2_match_data_create_8(1, nil) else { throw .outOfMemory }
        defer { unsafe pcre2_match_data_free_8(data) }
        let options = start == .anchored ? PCRE2_ANCHORED : 0
        let result = unsafe subject.withUnsafeBufferPointer { buffer in
            // PCRE2 takes no null subject before 10.43, not even an empty one.
            guard let base = buffer.baseAddress else {
                return unsafe [0].withUnsafeBufferPointer { empty in
                    unsafe pcre2_match_8(self.code, empty.baseAddress, 0, 0, options, data, self.context)
                }
            }
            return unsafe pcre2_match_8(self.code, base, buffer.count, 0, options, data, self.context)
        }
        switch result {
        case PCRE2_ERROR_NOMATCH: return nil
        // 0 says that there were more groups than places: the whole match is there all the same.
        case 0...:
            guard let places = unsafe pcre2_get_ovector_pointer_8(data) else { throw .outOfMemory }
            let (lower, upper) = unsafe (places[0], places[1])
            // \K may move the start past the end; such a match is empty.
            return min(lower, upper)..<upper
        case PCRE2_ERROR_NOMEMORY: throw .outOfMemory
        default: throw .exhausted
        }
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
