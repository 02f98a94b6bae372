// Patterns match as PCRE2 does, and stop when they cost too much.
import Testing

@testable import Pattern

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
        #expect(try pattern.firstMatch(in: Array("abcx".utf8).span) == 1..<3)
        #expect(try pattern.firstMatch(in: Array("xyz".utf8).span) == nil)
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
        #expect(try Pattern("^\\xff.$").matches([0xFF, 0xFE].span))
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
        let clock = ContinuousClock()
        var failure: PatternError?
        let taken = clock.measure {
            do throws(PatternError) {
                _ = try pattern.matches(String(repeating: "a", count: 60) + "!")
            } catch {
                failure = error
            }
        }
        #expect(failure == .exhausted)
        #expect(taken < .milliseconds(200))
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
