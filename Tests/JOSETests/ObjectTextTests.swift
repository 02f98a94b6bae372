// The scanner of a token's JSON, held to jansson (E10, P5, J8, B6).
import JSON
import Testing

@testable import JOSE

struct ObjectTextTests {
    static let accepted: [String] = [
        "{}", " { } ", "\t{\n\r}\n", #"{"a":1}"#, #"{"a":-0}"#, #"{"a":-0.0}"#, #"{"a":0e0}"#,
        #"{"a":1.5e+3}"#, #"{"a":1E-3}"#, #"{"a":[]}"#, #"{"a":[{}]}"#, #"{"a":[ 1 , 2 ]}"#,
        #"{"a":true,"b":false,"c":null}"#, #"{"":1}"#, #"{"a":""}"#, #"{"\u0061":1,"b":2}"#,
        #"{"a":"\"\\\/\b\f\n\r\t\u00e9\uD834\uDD1E"}"#, #"{"a":"é€𝄞"}"#, #"{"é":1,"e":2}"#,
        "{\"a\":\"\u{7F}\"}", #"{"a":9223372036854775807}"#, #"{"a":-9223372036854775808}"#,
        #"{"a":9223372036854775808}"#, #"{"a":-9223372036854775809}"#, #"{"a":123456789012345678}"#,
        #"{"a":1234567890123456789}"#, #"{"a":1e308}"#, #"{"a":1.7976931348623157e308}"#,
        #"{"a":1e-400}"#, #"{"a":0e99999999999999999999}"#, #"{"a":0.1e309}"#,
        #"{"a":1e-99999999999999999999}"#,
        #"{"a":\#(String(repeating: "9", count: 400))}"#, #"{"a":\#(String(repeating: "9", count: 308)).0}"#,
        #"{"a":\#(String(repeating: "1", count: 400))e-200}"#, #"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}"#,
        #"{"a":"\u007f\uFFFF\uFFFE"}"#, "{\"a\":\"\u{FFFF}\u{10FFFF}\u{800}\u{FFFD}\"}",
    ]
    static let refused: [String] = [
        "", " ", "{", "}", "{}}", "{}{}", "{} x", "[]", "1", #""a""#, "null", "{,}", #"{"a"}"#, #"{"a":}"#,
        #"{"a":1,}"#, #"{"a":1 "b":2}"#, #"{a:1}"#, #"{'a':1}"#, #"{"a":01}"#, #"{"a":-}"#, #"{"a":+1}"#,
        #"{"a":1.}"#, #"{"a":.1}"#, #"{"a":1e}"#, #"{"a":1e+}"#, #"{"a":0x1}"#, #"{"a":1_0}"#, #"{"a":NaN}"#,
        #"{"a":Infinity}"#, #"{"a":tru}"#, #"{"a":truee}"#, #"{"a":True}"#, #"{"a":nul"#, #"{"a":fals}"#,
        #"{"a":[1,]}"#, #"{"a":[1 2]}"#, #"{"a":[}"#, #"{"a":[1}"#, #"{"a":{]}"#, #"{"a":"}"#, #"{"a":"\"}"#,
        #"{"a":"\x"}"#, #"{"a":"\u00g0"}"#, #"{"a":"\u00"}"#, #"{"a":"\u0000"}"#, #"{"\u0000":1}"#,
        #"{"a":"\uD834"}"#, #"{"a":"\uDD1E"}"#, #"{"a":"\uD834\u0061"}"#, #"{"a":"\uD834\n"}"#,
        #"{"a":"\uD834\uD834"}"#, #"{"a":"\uD834x"}"#, "{\"a\":\"\u{1}\"}", "{\"a\":\"\n\"}",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\u{0}\"}", "{\"a\":1\u{0}}", "{}\u{0}", "\u{FEFF}{}", "{\u{A0}}", "{\u{B}}", "// c\n{}",
        "{}// c", #"{"a":1,"a":1}"#, #"{"a":1,"\u0061":2}"#, #"{"x":{"a":1,"b":[],"a":2}}"#,
        #"{"x":[[{"a":1,"a":2}]]}"#, #"{"":1,"":2}"#, "{\"\u{E9}\":1,\"e\u{301}\":2}",
        "{\"K\":1,\"\u{212A}\":2}",
        #"{"\u00e9":1,"é":2}"#, #"{"a":1e309}"#, #"{"a":-1e309}"#, #"{"a":1e99999999999999999999}"#,
        #"{"a":\#(String(repeating: "9", count: 400)).5}"#, #"{"a":1.7976931348623159e308}"#,
    ]

    @Test(arguments: accepted)
    func `what the grammar allows is taken, and read as jansson reads it`(text: String) throws {
        _ = try JSONObjectText(Array(text.utf8))
        try ObjectTextCheck.run(Array(text.utf8))
    }

    @Test(arguments: refused)
    func `what it does not allow is refused, by jansson too (E10, P5)`(text: String) throws {
        #expect(throws: JSONError.self) { try JSONObjectText(Array(text.utf8)) }
        try ObjectTextCheck.run(Array(text.utf8))
    }

    @Test func `a string is UTF-8 in its shortest form, without surrogates (B6)`() throws {
        func text(_ bytes: [UInt8]) -> [UInt8] { Array(#"{"a":""#.utf8) + bytes + Array(#""}"#.utf8) }
        let good: [[UInt8]] = [
            [0xC2, 0x80], [0xDF, 0xBF], [0xE0, 0xA0, 0x80], [0xED, 0x9F, 0xBF], [0xEE, 0x80, 0x80],
            [0xF0, 0x90, 0x80, 0x80], [0xF4, 0x8F, 0xBF, 0xBF],
        ]
        let bad: [[UInt8]] = [
            [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC2], [0xC2, 0x41], [0xE0, 0x9F, 0xBF],
            [0xE2, 0x82],
            [0xE2, 0x82, 0x41], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xF0, 0x8F, 0xBF, 0xBF],
            [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFE], [0xFF], [0xF0, 0x90, 0x80],
        ]
        for bytes in good {
            _ = try JSONObjectText(text(bytes))
            try ObjectTextCheck.run(text(bytes))
        }
        for bytes in bad {
            #expect(throws: JSONError.self) { try JSONObjectText(text(bytes)) }
            try ObjectTextCheck.run(text(bytes))
        }
    }

    @Test func `a text nests 64 deep and not 65 (J8)`() throws {
        func nested(_ open: String, _ close: String, _ depth: Int) -> [UInt8] {
            let inner =
                String(repeating: open, count: depth - 1) + "1" + String(repeating: close, count: depth - 1)
            return Array((#"{"a":"# + inner + "}").utf8)
        }
        for (open, close) in [("[", "]"), (#"{"a":"#, "}")] {
            _ = try JSONObjectText(nested(open, close, 64))
            try ObjectTextCheck.run(nested(open, close, 64))
            #expect(throws: JSONError.tooDeep(limit: 64)) { try JSONObjectText(nested(open, close, 65)) }
            try ObjectTextCheck.run(nested(open, close, 65))
        }
        let bomb = [UInt8](repeating: UInt8(ascii: "["), count: 100_000)
        #expect(throws: JSONError.tooDeep(limit: 64)) { try JSONObjectText(Array(#"{"a":"#.utf8) + bomb) }
    }

    @Test(arguments: [2, 24, 25, 1500])
    func `a name that comes twice among many is found (P5)`(count: Int) throws {
        let members = (0..<count).map { #""n\#($0)":1"# }
        let good = "{" + members.joined(separator: ",") + "}"
        _ = try JSONObjectText(Array(good.utf8))
        try ObjectTextCheck.run(Array(good.utf8))
        for twice in [0, count / 2, count - 1] {
            for name in ["n\(twice)", "\\u006e\(twice)"] {
                let bad = "{" + (members + [#""\#(name)":2"#]).joined(separator: ",") + "}"
                #expect(throws: JSONError.self, "\(name)") { try JSONObjectText(Array(bad.utf8)) }
                try ObjectTextCheck.run(Array(bad.utf8))
            }
        }
    }

    @Test func `a member is found by the octets of its name, whole`() throws {
        let text = try JSONObjectText(Array(#"{"iss":"a","is":"b","issx":"c","\u006bid":"d","é":"e"}"#.utf8))
        #expect(text.string("iss") == "a" && text.string("is") == "b" && text.string("issx") == "c")
        #expect(text.string("kid") == "d" && text.string("\u{E9}") == "e")
        #expect(!text.has("e\u{301}") && !text.has("ISS") && !text.has("i") && !text.has(""))
        #expect(text.value(at: ["iss"]) == "a" && text.value(at: []) == text.value)
    }

    @Test func `a text is compared octet by octet`() throws {
        let text = try JSONObjectText(Array("{\"a\":\"\u{E9}\",\"b\":\"\\u0061\",\"c\":1}".utf8))
        #expect(text.string("a", is: "\u{E9}") == true && text.string("a", is: "e\u{301}") == false)
        #expect(text.string("b", is: "a") == true && text.string("b", is: "aa") == false)
        #expect(text.string("b", is: "") == false)
        #expect(text.string("c", is: "1") == nil && text.string("d", is: "") == nil)
    }

    /// Documents made of random pieces, and good ones with random octets changed: the seed is fixed.
    @Test(arguments: 1...8 as ClosedRange<UInt64>)
    func `no mutation is let in that jansson refuses, nor the other way (E10)`(seed: UInt64) throws {
        var random = Numbers(seed: seed)
        let pieces = Self.accepted.map { Array($0.utf8) } + Self.refused.map { Array($0.utf8) }
        let octets =
            Array("{}[]\",:\\u0123456789abcdefEe+-. truefalsnl\n\u{0}".utf8) + [
                0x80, 0xC3, 0xA9, 0xED, 0xF4, 0xFF,
            ]
        var lettersIn = 0
        for _ in 0..<4000 {
            var text = pieces[random.below(pieces.count)]
            for _ in 0..<random.below(4) {
                let place = random.below(text.count + 1)
                switch random.below(4) {
                case 0: text.insert(octets[random.below(octets.count)], at: place)
                case 1 where place < text.count: text.remove(at: place)
                case 2 where place < text.count: text[place] = octets[random.below(octets.count)]
                default: text.insert(contentsOf: pieces[random.below(pieces.count)], at: place)
                }
            }
            try ObjectTextCheck.run(text)
            if (try? JSONObjectText(text)) != nil { lettersIn += 1 }
        }
        #expect(lettersIn > 400, "the mutations test too little")
    }
}

/// Numbers that look random and are the same in every run (SplitMix64).
struct Numbers {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
}
