// Documents as they come, hostile ones among them (E10, P5).
import JSON
import Testing

struct JSONValueTests {
    @Test func `a document keeps its shape`() throws {
        let text = #"{"a":[1,-2.5,true,false,null],"b":{"c":"ü\n\u0041"},"d":1e3}"#
        let value = try JSONValue(parsing: text)
        #expect(
            value == [
                "a": [1, -2.5, true, false, nil], "b": ["c": "ü\nA"], "d": 1000.0,
            ]
        )
    }

    @Test(arguments: [
        "{}x",
        "",
        "1",
        #""text""#,
        "{\"a\":1,}",
        "[1 2]",
        "[01]",
        "[1.]",
        "[+1]",
        "[NaN]",
        "['a']",
        "[\"a\nb\"]",
        "// c\n{}",
        "{\"a\":1}{\"a\":1}",
        "[\"\\ud800\"]",
    ])
    func `a text outside the grammar is refused (E10)`(text: String) throws {
        let error = #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
        guard case .syntax = error else {
            Issue.record("refused otherwise: \(String(describing: error))")
            return
        }
    }

    @Test func `a duplicate name is refused at any depth (P5)`() throws {
        for text in [
            #"{"a":1,"a":1}"#, #"{"x":[{"a":1,"b":2,"a":3}]}"#, #"{"a":1,"\u0061":2}"#,
        ] {
            do {
                _ = try JSONValue(parsing: text)
                Issue.record("accepted \(text)")
            } catch {
                guard case .duplicateName = error else {
                    Issue.record("\(text): \(error)")
                    continue
                }
            }
        }
    }

    @Test func `names that Unicode takes for one are a duplicate (P5)`() {
        #expect(throws: JSONError.duplicateName(position: 0)) {
            try JSONValue(parsing: "{\"\u{E9}\":1,\"e\u{301}\":2}")
        }
    }

    @Test func `a byte order mark, bad UTF-8 and U+0000 are refused (B6)`() throws {
        let documents: [[UInt8]] = [
            [0xEF, 0xBB, 0xBF] + Array("{}".utf8),
            Array("{\"a\":\"".utf8) + [0xFF] + Array("\"}".utf8),
            Array("{\"a\":\"".utf8) + [0xC0, 0x80] + Array("\"}".utf8),
            Array("{\"a\":\"".utf8) + [0xED, 0xA0, 0x80] + Array("\"}".utf8),
            Array(#"{"a":"\u0000"}"#.utf8),
            Array(#"{"\u0000":1}"#.utf8),
            Array("{\"a\":\"".utf8) + [0] + Array("\"}".utf8),
            Array("{}".utf8) + [0],
            Array("{\"a\":1\u{0}}".utf8),
            Array("[1.5\u{0}]".utf8),
        ]
        for document in documents {
            #expect(throws: JSONError.self) { try JSONValue(parsing: document) }
        }
    }

    @Test func `nesting is allowed up to the limit and not beyond (J8)`() throws {
        let limits = JSONLimits(maximumBytes: 1000, maximumDepth: 64)
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        _ = try JSONValue(parsing: nested(64), limits: limits)
        #expect(throws: JSONError.tooDeep(limit: 64)) { try JSONValue(parsing: nested(65), limits: limits) }
        let brackets = "{\"a\":\"\(String(repeating: "[", count: 100))\\\"[[\"}"
        _ = try JSONValue(parsing: brackets, limits: limits)
        #expect(throws: JSONError.tooDeep(limit: 64)) {
            try JSONValue(parsing: String(repeating: "[", count: 500_000))
        }
    }

    @Test func `size is allowed up to the limit and not beyond (J8)`() throws {
        let limits = JSONLimits(maximumBytes: 10, maximumDepth: 4)
        _ = try JSONValue(parsing: #"{"a":1234}"#, limits: limits)
        #expect(throws: JSONError.tooLarge(limit: 10)) {
            try JSONValue(parsing: #"{"a":12345}"#, limits: limits)
        }
    }

    @Test func `integers within 64 bits are exact`() throws {
        let value = try JSONValue(parsing: "[9223372036854775807,-9223372036854775808,9007199254740993]")
        #expect(
            value == [.integer(.max), .integer(.min), .integer(9_007_199_254_740_993)]
        )
    }

    @Test func `integers beyond 64 bits are kept digit by digit`() throws {
        let text =
            #"{"big":18446744073709551615,"l":[-9223372036854775809],"n":9007199254740993,"s":"99999999999999999999"}"#
        let value = try JSONValue(parsing: text)
        #expect(value["big"] == .largeInteger("18446744073709551615"))
        #expect(value["l"] == [.largeInteger("-9223372036854775809")])
        #expect(value["n"] == .integer(9_007_199_254_740_993))
        #expect(value["s"] == .string("99999999999999999999"))
        #expect(value["big"]?.number == 18_446_744_073_709_551_615.0)
        #expect(value.serializedString == text)
    }

    @Test func `a large integer where none may stand is refused`() {
        for text in [
            "{99999999999999999999:1}", "[099999999999999999999]", "[99999999999999999999x]",
            "[99999999999999999999 1]", "99999999999999999999", "{\"a\":99999999999999999999,\"a\":1}",
        ] {
            #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
        }
    }

    @Test func `a number beyond a double is refused`() {
        #expect(throws: JSONError.self) { try JSONValue(parsing: "[1e400]") }
        #expect(throws: JSONError.self) { try JSONValue(parsing: "[-1e400,99999999999999999999]") }
    }

    @Test func `names are written sorted and text escaped`() {
        let value: JSONValue = ["b": 1, "a": ["\u{1}\"\\/\u{7F}ü\n"], "B": nil, "aa": 1.5, "é": false]
        let expected = #"{"B":null,"a":["\u0001\"\\/\u007fü\n"],"aa":1.5,"b":1,"é":false}"#
        #expect(value.serializedString == expected)
        #expect(JSONValue.number(.infinity).serializedString == "null")
    }

    @Test func `what is written is read again`() throws {
        let value: JSONValue = [
            "a": [1.0e300, 2.2250738585072014e-308, 0.1, -0.0], "b": .integer(.min), "c": "\u{10FFFF}\u{8}",
        ]
        #expect(try JSONValue(parsing: value.serialized()) == value)
    }

    @Test func `a typed read names the path`() throws {
        let value: JSONValue = ["a": ["b": "text", "n": 1, "l": ["x", 1]]]
        #expect(try value.requiredString("a", "b") == "text")
        #expect(throws: JSONError.missing(path: "a.c")) { try value.requiredString("a", "c") }
        #expect(throws: JSONError.wrongType(path: "a.n", expected: "a string")) {
            try value.requiredString("a", "n")
        }
        #expect(throws: JSONError.wrongType(path: "a.l", expected: "an array of strings")) {
            try value.requiredStrings("a", "l")
        }
        #expect(try value.optionalString("a", "c") == nil)
        #expect(throws: JSONError.wrongType(path: "a.n", expected: "a string")) {
            try value.optionalString("a", "n")
        }
    }

    @Test func `identity of texts is by bytes`() {
        #expect("\u{E9}" == "e\u{301}")
        #expect(!"\u{E9}".isIdentical(toUTF8Of: "e\u{301}"))
        #expect("https://a".isIdentical(toUTF8Of: "https://a"))
    }
}
