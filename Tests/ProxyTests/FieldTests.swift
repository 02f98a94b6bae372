// Names, sets of names and edits.

import Testing

@testable import Proxy

struct FieldTests {
    static func name(_ text: String) throws -> FieldName { try #require(FieldName(text)) }

    @Test(arguments: ["x-user", "X-USER", "x_user", "X.User", "X_USER"])
    func `a set matches every spelling of a name (H1)`(_ spelling: String) throws {
        let set = FieldNameSet([try Self.name("X-User"), try Self.name("x-group")])
        #expect(set.contains(try Self.name(spelling)))
    }

    @Test(arguments: ["x-use", "x-users", "y-user", "xuser", "x--user"])
    func `a set matches no other name`(_ spelling: String) throws {
        #expect(!FieldNameSet([try Self.name("X-User")]).contains(try Self.name(spelling)))
    }

    @Test func `sets join`() throws {
        let joined = FieldNameSet(["a-b"]).union(FieldNameSet(["c"]))
        #expect(joined.contains("a_b") && joined.contains("c") && !joined.contains("d"))
        #expect(FieldNameSet().isEmpty && !joined.isEmpty)
    }

    @Test func `a long name is matched too`() throws {
        let long = String(repeating: "x-", count: 50) + "y"
        #expect(FieldNameSet([try Self.name(long)]).contains(try Self.name(long.uppercased())))
        #expect(!FieldNameSet([try Self.name(long)]).contains(try Self.name(long + "z")))
    }

    @Test(arguments: ["", "a b", "a:", "é", "a\r"])
    func `what is no token is no name`(_ text: String) {
        #expect(FieldName(text) == nil)
    }

    @Test(arguments: ["a\rb", "a\nb", "a\0b", "a\u{1B}b", "a\u{7F}"])
    func `a value with a control octet is refused (H3)`(_ value: String) {
        var edits = FieldEdits()
        #expect(throws: FieldEditError.controlOctet) { try edits.set("x", value) }
        #expect(throws: FieldEditError.controlOctet) { try edits.append("x", value) }
        #expect(edits.value(of: "x") == nil)
    }

    @Test func `values are bounded together (H3)`() throws {
        var edits = FieldEdits()
        try edits.set("x", String(repeating: "v", count: FieldEdits.maximumBytes - 1))
        #expect(throws: FieldEditError.tooLarge) { try edits.append("x", "") }
    }

    @Test func `the last set wins, and appended ones follow`() throws {
        var edits = FieldEdits()
        try edits.set("x", "1")
        try edits.set("x", "2")
        try edits.append("x", "3")
        edits.set("y", constant: "4")
        edits.remove("y")
        #expect(edits.added.map { "\($0.name)=\($0.value)" } == ["x=2", "x=3"])
        edits.reset()
        #expect(edits.isEmpty && edits.value(of: "x") == nil)
    }

    @Test func `token octets are those of RFC 9110 5_6_2`() {
        let token = Set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)
        for octet in UInt8.min...UInt8.max { #expect(Octet.isToken(octet) == token.contains(octet)) }
    }

    @Test func `numbers are written in both bases`() {
        for number in [0, 1, 9, 10, 15, 16, 255, 256, 4096, 65_535, 1_000_000, Int.max] {
            var (decimal, hexadecimal): ([UInt8], [UInt8]) = ([], [])
            decimal.appendDecimal(number)
            hexadecimal.appendHexadecimal(number)
            #expect(String(decoding: decimal, as: UTF8.self) == String(number))
            #expect(String(decoding: hexadecimal, as: UTF8.self) == String(number, radix: 16))
        }
    }
}
