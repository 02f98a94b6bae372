// Patterns match as PCRE2 does, and stop when they cost too much.
import Testing

@testable import Pattern

extension Pattern {
    /// Whether a text's UTF-8 matches, on a budget of its own.
    fileprivate func matches(_ text: String, start: Start = .anywhere) throws(PatternError) -> Bool {
        var budget = PatternBudget()
        return try self.matches(Array(text.utf8).span, start: start, budget: &budget)
    }

    /// Where a text's UTF-8 matches first, on a budget of its own.
    fileprivate func place(in text: String) throws(PatternError) -> Range<Int>? {
        var budget = PatternBudget()
        return try self.firstMatch(in: Array(text.utf8).span, budget: &budget)
    }
}

struct PatternTests {
    @Test func `an expression matches anywhere unless it is anchored`() throws {
        let pattern = try Pattern("/api/v[0-9]+")
        #expect(try pattern.matches("/x/api/v12/y"))
        #expect(try !pattern.matches("/x/api/v12/y", start: .anchored))
        #expect(try pattern.matches("/api/v12/y", start: .anchored))
        #expect(try !pattern.matches("/api/v"))
    }

    @Test func `a match says where it is`() throws {
        let pattern = try Pattern("b(c)?(d)?")
        #expect(try pattern.place(in: "abcx") == 1..<3)
        #expect(try pattern.place(in: "xyz") == nil)
    }

    @Test func `a named group says what it took`() throws {
        let pattern = try Pattern("/users/(?<user>[^/]+)(?:/x(?<more>y)?)?(z)?")
        func taken(_ name: String, _ text: String, units: Int = PatternBudget.perRequest) throws -> String? {
            let octets = Array(text.utf8)
            var budget = PatternBudget(units: units)
            let range = try pattern.capture(name, in: octets.span, budget: &budget)
            return range.map { String(decoding: octets[$0], as: UTF8.self) }
        }
        #expect(try taken("user", "/users/ann/xy") == "ann")
        #expect(try taken("more", "/users/ann/xy") == "y")
        #expect(try taken("more", "/users/ann/x") == nil)
        #expect(try taken("other", "/users/ann") == nil)
        #expect(try taken("user", "/x/users/ann") == nil)
        #expect(throws: PatternError.exhausted) { try taken("user", "/users/ann", units: 3) }
    }

    @Test func `an empty subject is a subject`() throws {
        #expect(try Pattern("^$").matches(""))
        #expect(try !Pattern("a").matches(""))
    }

    @Test func `case counts unless it is said not to`() throws {
        #expect(try !Pattern("abc").matches("ABC"))
        #expect(try Pattern("abc", case: .insensitive).matches("ABC"))
    }

    @Test func `the end of the line is not the end`() throws {
        #expect(try Pattern("a$").matches("a"))
        #expect(try !Pattern("a$").matches("a\n"))
    }

    @Test func `octets that are not UTF-8 are a subject too`() throws {
        var budget = PatternBudget()
        let octets: [UInt8] = [0xFF, 0xFE]
        let pattern = try Pattern("^\\xff.$")
        let matches = try pattern.matches(octets.span, budget: &budget)
        #expect(matches)
    }

    @Test func `an ill-formed expression says where it is ill-formed`() {
        #expect(throws: PatternError.malformed("missing closing parenthesis", offset: 3)) {
            try Pattern("a(b")
        }
    }

    /// A subject that would take 2^n steps ends with an error, never with "no match": a rule that could not
    /// be judged must not be taken for a rule that does not apply.
    @Test(arguments: ["(a+)+$", "(a|aa)+$", "^(([a-z])+.)+[A-Z]([a-z])+$"])
    func `a runaway expression is stopped`(expression: String) throws {
        let pattern = try Pattern(expression)
        #expect(throws: PatternError.exhausted) {
            try pattern.matches(String(repeating: "a", count: 60) + "!")
        }
    }

    /// One step may read the subject to its end: the longer it is, the fewer steps there are.
    @Test(arguments: ["/a*a*[^!]*!x$", "/(?:(?=.*)a)*?x$", "/.*.*x$"])
    func `what reads a long subject over and over is stopped`(expression: String) throws {
        let pattern = try Pattern(expression)
        #expect(throws: PatternError.exhausted) {
            try pattern.matches("/" + String(repeating: "a", count: 8000) + "!x!")
        }
        #expect(try !pattern.matches("/" + String(repeating: "a", count: 50) + "!x!"))
    }

    @Test func `one reading of a long subject is no reason to stop`() throws {
        #expect(try !Pattern("/.*x$").matches("/" + String(repeating: "a", count: 3000) + "x!"))
        #expect(try Pattern("/.*x$").matches("/" + String(repeating: "a", count: 16000) + "x"))
    }

    /// E7: what one pattern takes is no longer there for the next.
    @Test func `E7 all patterns of a request draw on one budget`() throws {
        let subject = Array((String(repeating: "a", count: 14) + "!").utf8)
        let pattern = try Pattern("(a+)+$")
        var budget = PatternBudget()
        let whole = budget.units
        _ = try pattern.matches(subject.span, start: .anchored, budget: &budget)
        let price = whole - budget.units
        #expect(price > 10_000 && price < whole / 2)
        var matched = 1
        while matched < 1000,
            let isMatch = try? pattern.matches(subject.span, start: .anchored, budget: &budget)
        {
            #expect(!isMatch)
            matched += 1
        }
        // The last may find that less was enough.
        #expect(matched == whole / price || matched == whole / price + 1)
        #expect(budget.units < price)
    }

    @Test func `a budget takes what it can pay and no unit more`() throws {
        var budget = PatternBudget(units: 3)
        try budget.charge(3)
        #expect(budget.units == 0)
        #expect(throws: PatternError.exhausted) {
            var budget = PatternBudget(units: 3)
            try budget.charge(4)
        }
    }

    /// Where a match may begin is told by what PCRE2 knows of its first octet, by a line's end, or not at all.
    @Test func `a match is found wherever it begins`() throws {
        #expect(try Pattern("canary=1", case: .insensitive).place(in: "a=b; Canary=1") == 5..<13)
        #expect(try Pattern("[xy]z|q").place(in: "xxq yz") == 2..<3)
        #expect(try Pattern(".*b").place(in: "aab") == 0..<3)
        #expect(try Pattern(".*b").place(in: "xx\naab") == 3..<6)
        #expect(try Pattern("(?<=a)b").place(in: "bab") == 2..<3)
        #expect(try Pattern("$").place(in: "abc") == 3..<3)
        #expect(try Pattern("(?i)É|x*").place(in: "bx") == 0..<0)
    }

    @Test(arguments: ["/a(*COMMIT)b", "/a(*SKIP)b", "/(*SKIP:x)"])
    func `verbs that would stop the search are refused`(expression: String) {
        #expect(throws: PatternError.self) { try Pattern(expression) }
    }

    /// What a match has to begin with; less where it is not plain to see.
    @Test(arguments: [
        ("/users/\\d+$", "/users/"), ("^/users/(?<id>\\d+)", "/users/"), ("/a\\.b\\-c/x", "/a.b-c/x"),
        ("/ab?c", "/a"), ("/ab*c", "/a"), ("/ab{0,2}c", "/a"), ("/ab+c", "/ab"), ("/a.c", "/a"),
        ("/a\\.?", "/a"),
        ("/a|/b", ""), ("/a/(x|y)", "/a/"), ("/a/(?:x|y)|/b", ""), ("/a/[|(]x", "/a/"), ("/a[(]|/b", ""),
        ("/a/[^)|]+/(x|y)", "/a/"), ("/a[]|(]|/b", ""), ("/a\\(|/b", ""), ("/a\\Q(\\E|/b", ""),
        ("/a(?#()|/b", ""), ("/a\\c(|/b", ""), ("/a[[:alpha:](]|/b", ""), ("(?i)/a", ""), ("/a(?i)b", "/a"),
        ("/a(?x)(#(\n)|/b", ""), ("/a\\d", "/a"), ("\\/a", "/a"), ("", ""),
    ])
    func `the plain beginning of an expression`(expression: String, start: String) throws {
        #expect(LiteralStart.of(Array(expression.utf8)) == Array(start.utf8))
    }

    @Test func `a pattern is shared between tasks`() async throws {
        let pattern = try Pattern("^/user/([a-z]+)$")
        await withTaskGroup(of: Bool.self) { group in
            for index in 0..<64 {
                group.addTask {
                    let subject = index.isMultiple(of: 2) ? "/user/abc" : "/user/123"
                    return (try? pattern.matches(subject)) == index.isMultiple(of: 2)
                }
            }
            for await isRight in group { #expect(isRight) }
        }
    }
}
