// What the patterns of one request may cost, all together.
import CPCRE2

/// The work that is left for a request's patterns; shared by all of them, so that many cost no more than one may.
///
/// A unit is 10 to 20 ns. PCRE2 counts steps, not time, and one step may read the subject to its end: each step is
/// therefore charged as if it did. How many steps a match took PCRE2 does not say, so a match begins with few and is
/// begun anew with four times as many when they were not enough; what it was allowed is what it is charged.
@safe package struct PatternBudget: ~Copyable {
    /// What one request gets: under 20 ms of a quiet processor and under 40 of a busy one, if it takes all of it.
    package static let perRequest = 1_500_000

    private static let callPrice = 5
    private static let firstSteps = 8
    /// Nested backtracking points.
    private static let depthLimit: UInt32 = 10_000
    /// Heap of one match in KiB.
    private static let heapLimitKiB: UInt32 = 2048

    /// What is left.
    package private(set) var units: Int
    private var tools: Tools?

    /// PCRE2's memory for a match and its limits; made when the first pattern is tried.
    @safe private struct Tools {
        let data: OpaquePointer
        let context: OpaquePointer
    }

    /// A whole budget, or what a test allows.
    package init(units: Int = Self.perRequest) {
        self.units = units
    }

    deinit {
        guard let tools = self.tools else { return }
        unsafe pcre2_match_data_free_8(tools.data)
        unsafe pcre2_match_context_free_8(tools.context)
    }

    /// Takes units for work that is no pattern's; fails when fewer are left.
    package mutating func charge(_ price: Int) throws(PatternError) {
        guard price <= self.units else { throw .exhausted }
        self.units -= price
    }

    /// Matches at one place of a subject and nowhere else; gives where a group is, the whole match if it is 0.
    mutating func match(
        _ code: OpaquePointer,
        at start: Int,
        of subject: Span<UInt8>,
        frameBytes: Int,
        group: Int = 0
    ) throws(PatternError) -> Range<Int>? {
        var tools = try self.readyTools()
        if group > 0 {
            // What is kept ready has room for the whole match alone.
            let groups = unsafe pcre2_match_data_create_from_pattern_8(code, nil)
            guard let groups = unsafe groups else { throw .outOfMemory }
            tools = unsafe Tools(data: groups, context: tools.context)
        }
        defer { if group > 0 { unsafe pcre2_match_data_free_8(tools.data) } }
        let stepPrice = 1 + frameBytes / 256 + (subject.count - start) / 16
        var steps = Self.firstSteps
        var isLast = false
        while true {
            if Self.callPrice + steps * stepPrice > self.units {
                // The rest at once, if that is more than what was not enough.
                let rest = (self.units - Self.callPrice) / stepPrice
                guard rest > steps / 4, !isLast else { throw .exhausted }
                (steps, isLast) = (rest, true)
            }
            self.units -= Self.callPrice + steps * stepPrice
            guard unsafe pcre2_set_match_limit_8(tools.context, UInt32(clamping: steps)) == 0 else {
                throw .outOfMemory
            }
            let result = unsafe Self.run(code, at: start, of: subject, tools)
            guard result == PCRE2_ERROR_MATCHLIMIT else { return try Self.range(result, tools, group) }
            guard !isLast else { throw .exhausted }
            steps *= 4
        }
    }

    private mutating func readyTools() throws(PatternError) -> Tools {
        if let tools = self.tools { return tools }
        guard let data = unsafe pcre2_match_data_create_8(1, nil) else { throw .outOfMemory }
        guard let context = unsafe pcre2_match_context_create_8(nil) else {
            unsafe pcre2_match_data_free_8(data)
            throw .outOfMemory
        }
        let tools = unsafe Tools(data: data, context: context)
        self.tools = tools
        guard unsafe pcre2_set_depth_limit_8(context, Self.depthLimit) == 0,
            unsafe pcre2_set_heap_limit_8(context, Self.heapLimitKiB) == 0
        else { throw .outOfMemory }
        return tools
    }

    private static func run(
        _ code: OpaquePointer,
        at start: Int,
        of subject: Span<UInt8>,
        _ tools: Tools
    ) -> Int32 {
        unsafe subject.withUnsafeBufferPointer { buffer in
            // PCRE2 takes no null subject before 10.43, not even an empty one.
            guard let base = buffer.baseAddress else {
                return unsafe [0].withUnsafeBufferPointer { empty in
                    unsafe pcre2_match_8(
                        code,
                        empty.baseAddress,
                        0,
                        0,
                        PCRE2_ANCHORED,
                        tools.data,
                        tools.context
                    )
                }
            }
            return unsafe pcre2_match_8(
                code,
                base,
                buffer.count,
                start,
                PCRE2_ANCHORED,
                tools.data,
                tools.context
            )
        }
    }

    /// What PCRE2's answer means.
    private static func range(
        _ result: Int32,
        _ tools: Tools,
        _ group: Int
    ) throws(PatternError) -> Range<Int>? {
        switch result {
        case PCRE2_ERROR_NOMATCH: return nil
        // 0 says that there were more groups than places: the whole match is there all the same.
        case 0...:
            guard let places = unsafe pcre2_get_ovector_pointer_8(tools.data) else { throw .outOfMemory }
            let (lower, upper) = unsafe (places[2 * group], places[2 * group + 1])
            // A group that had no part in the match is nowhere.
            guard lower >= 0, upper >= 0 else { return nil }
            // \K may move the start past the end; such a match is empty.
            return min(lower, upper)..<upper
        case PCRE2_ERROR_NOMEMORY: throw .outOfMemory
        default: throw .exhausted
        }
    }
}
