// Written values are read by their fields' types, and everything that is wrong is said.
import JSON
import Testing

@testable import Gateway

struct SettingsTests {
    private let schema: [FieldSchema] = [
        FieldSchema("name", .string, default: "n"),
        FieldSchema("mode", .string, oneOf: ["redirect", "response"]),
        FieldSchema("count", .integer, default: 5, range: 0...10),
        FieldSchema("ratio", .number),
        FieldSchema("on", .boolean, default: true),
        FieldSchema("words", .list(.string), default: ["a"]),
        FieldSchema("inner", .record([FieldSchema("key", .string, required: true, secret: true)])),
        FieldSchema("free", .any),
        FieldSchema("by_name", .map(.string)),
        FieldSchema("later", .boolean, default: false, status: .notYet),
        FieldSchema("never", .boolean, status: .refused(why: "it switches off the signature")),
        FieldSchema("ignored", .string, status: .inert),
    ]

    private func errors(_ json: JSONValue) -> [String] {
        do throws(ConfigurationError) {
            _ = try Settings(json, schema: self.schema)
            return []
        } catch {
            return error.diagnostics.map(\.message)
        }
    }

    private func plain(_ field: String, _ text: String) -> [String] {
        var reader = SettingsReader()
        let node = ConfigNode(.scalar(text, .plain), at: .nowhere)
        _ = reader.record(
            ConfigNode(.map([ConfigEntry(key: field, position: .nowhere, node: node)]), at: .nowhere),
            self.schema,
            path: ""
        )
        return reader.diagnostics.map(\.message)
    }

    @Test func `defaults stand where nothing is written`() throws {
        let settings = try Settings(schema: self.schema)
        #expect(settings.string("name") == "n")
        #expect(settings.integer("count") == 5)
        #expect(settings.boolean("on") == true)
        #expect(settings.strings("words") == ["a"])
        #expect(settings.string("mode") == nil)
        #expect(!settings.wrote("name"))
    }

    @Test func `what is written is read`() throws {
        let settings = try Settings(
            [
                "name": "x", "mode": "redirect", "count": 10, "ratio": 1, "on": false, "words": [],
                "inner": ["key": "k"], "free": ["a": [1]], "by_name": ["a": "b"],
            ],
            schema: self.schema
        )
        #expect(settings.string("name") == "x")
        #expect(settings.integer("count") == 10)
        #expect(settings.number("ratio") == 1)
        #expect(settings.strings("words") == [])
        #expect(settings.wrote("words"))
        #expect(settings.record("inner")?.string("key") == "k")
        #expect(settings.any("free") == ["a": [1]])
        #expect(settings.map("by_name").count == 1)
    }

    @Test func `null is as if nothing were written`() throws {
        let settings = try Settings(["name": nil, "later": nil, "never": nil], schema: self.schema)
        #expect(settings.string("name") == "n")
        #expect(!settings.wrote("name"))
    }

    @Test func `a wrong type is said with what was expected`() {
        #expect(self.errors(["words": "a"]) == ["words: expected a list: [a], found text"])
        #expect(
            self.errors(["on": "true"]) == [
                "on: expected true or false, found the text 'true'; write it without quotes"
            ]
        )
        #expect(
            self.errors(["count": "5"]) == [
                "count: expected a whole number, found the text '5'; write it without quotes"
            ]
        )
        #expect(self.errors(["count": 1.5]) == ["count: expected a whole number, found 1.5"])
        #expect(
            self.errors(["inner": "x"]) == [
                "inner: expected a record, found text", "inner.key is required",
            ]
        )
        #expect(self.errors(["name": ["x"]]) == ["name: expected text, found a list"])
    }

    @Test func `a range holds on both sides`() {
        #expect(self.errors(["count": 0]) == [])
        #expect(self.errors(["count": 10]) == [])
        #expect(self.errors(["count": -1]) == ["count: expected a number from 0 to 10, found -1"])
        #expect(self.errors(["count": 11]) == ["count: expected a number from 0 to 10, found 11"])
    }

    @Test func `P8 an unknown name is an error with the near one`() {
        #expect(self.errors(["wrods": ["a"]]) == ["unknown field 'wrods'; did you mean 'words'?"])
        #expect(self.errors(["zzz": 1]) == ["unknown field 'zzz'"])
        #expect(
            self.errors(["inner": ["key": "k", "kez": "x"]]) == [
                "unknown field 'kez' in inner; did you mean 'key'?"
            ]
        )
        #expect(
            self.errors(["mode": "redirct"]) == [
                "mode: expected one of redirect, response, found 'redirct'; did you mean 'redirect'?"
            ]
        )
    }

    @Test func `P8 what is not served is an error, unless it changes nothing`() {
        #expect(self.errors(["later": true]) == ["'later' is known, but not served yet; remove it"])
        #expect(self.errors(["later": false]) == [])
        #expect(self.errors(["never": true]) == ["'never' is refused: it switches off the signature"])
        #expect(self.errors(["ignored": "x"]) == [])
    }

    @Test func `everything that is wrong is said at once`() {
        #expect(self.errors(["words": 1, "on": 2, "zzz": 3]).count == 3)
    }

    @Test(arguments: [
        "123", "1e3", "0123", "0x1F", "0o17", "1_000", "yes", "No", "on", "true", "~", "12:30", "1:30:00",
        "2026-01-02", "1.5", ".5", "+1", ".inf", "3.",
    ])
    func `an unquoted value that YAML can read otherwise is no text`(text: String) {
        guard PlainScalar(text) != .null else {
            #expect(self.plain("name", text) == [])
            return
        }
        #expect(
            self.plain("name", text) == [
                "name: expected text, but YAML can read this unquoted value as something else; quote it: '\(text)'"
            ]
        )
    }

    @Test(arguments: [
        "abc", "10.0.0.1", "10.0.0.1:80", "a1", "v1.2", "1st", "no-store", "https://x/y", "-", "3.0.0",
    ])
    func `an unquoted value that is text to every reader is text`(text: String) {
        #expect(self.plain("name", text) == [])
    }

    @Test func `a secret is never shown`() {
        var reader = SettingsReader()
        let key = ConfigEntry(
            key: "key",
            position: .nowhere,
            node: ConfigNode(.scalar("12345", .plain), at: .nowhere)
        )
        let inner = ConfigEntry(
            key: "inner",
            position: .nowhere,
            node: ConfigNode(.map([key]), at: .nowhere)
        )
        _ = reader.record(ConfigNode(.map([inner]), at: .nowhere), self.schema, path: "")
        #expect(
            reader.diagnostics.map(\.message) == [
                "inner.key: expected text, but YAML can read this unquoted value as something else; quote it"
            ]
        )
    }
}
