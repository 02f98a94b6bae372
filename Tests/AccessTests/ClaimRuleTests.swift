// Rules on claims, each from both sides.
import Gateway
import JSON
import Testing

@testable import Access

struct ClaimRuleTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let kind: ClaimRule.Kind
        let claims: JSONValue
        let items: [String]
        let passes: Bool
        var path = ["c"]
        var testDescription: String { "\(kind) \(claims.serializedString) \(items) → \(passes)" }
    }

    static let rows: [Row] = [
        // Scopes: split at spaces; words of an item must all be there, items are alternatives.
        Row(kind: .scopes, claims: ["c": "a b c"], items: ["a c"], passes: true),
        Row(kind: .scopes, claims: ["c": "a b c"], items: ["a d"], passes: false),
        Row(kind: .scopes, claims: ["c": "a b c"], items: ["d", "b"], passes: true),
        Row(kind: .scopes, claims: ["c": "ab"], items: ["a"], passes: false),
        Row(kind: .scopes, claims: ["c": "a,b"], items: ["a"], passes: false),
        Row(kind: .scopes, claims: ["c": ["a", "b"]], items: ["a b"], passes: true),
        Row(kind: .scopes, claims: ["c": ["a b"]], items: ["a"], passes: false),
        Row(kind: .scopes, claims: ["c": ["a b"]], items: ["a b"], passes: true),
        Row(kind: .scopes, claims: [:], items: ["a"], passes: false),
        Row(kind: .scopes, claims: ["c": ""], items: ["a"], passes: false),
        Row(kind: .scopes, claims: ["c": "A"], items: ["a"], passes: false),
        // Audiences: never split.
        Row(kind: .audience, claims: ["c": "a b"], items: ["a"], passes: false),
        Row(kind: .audience, claims: ["c": "a b"], items: ["a b"], passes: true),
        Row(kind: .audience, claims: ["c": "a,b"], items: ["a"], passes: false),
        Row(kind: .audience, claims: ["c": ["x", "api"]], items: ["api"], passes: true),
        Row(kind: .audience, claims: ["c": ["x", "y"]], items: ["x y"], passes: true),
        // Groups and roles: at commas if there is one, else at spaces; elements never.
        Row(kind: .groups, claims: ["c": "dev ops"], items: ["ops"], passes: true),
        Row(kind: .groups, claims: ["c": "dev, site ops"], items: ["site ops"], passes: true),
        Row(kind: .groups, claims: ["c": "dev, site ops"], items: ["ops"], passes: false),
        Row(kind: .groups, claims: ["c": "dev,ops"], items: ["dev ops"], passes: true),
        Row(kind: .groups, claims: ["c": ["site ops"]], items: ["ops"], passes: false),
        Row(kind: .groups, claims: ["c": ["site ops"]], items: ["site ops"], passes: true),
        Row(kind: .groups, claims: ["c": ["a,b"]], items: ["a"], passes: false),
        Row(kind: .groups, claims: ["c": [1, 2]], items: ["2"], passes: true),
        Row(kind: .groups, claims: ["c": [["admin"]]], items: ["admin"], passes: false),
        Row(kind: .groups, claims: ["c": ["admin": true]], items: ["admin"], passes: false),
        Row(kind: .groups, claims: ["c": .null], items: ["null"], passes: false),
        // Nested paths.
        Row(
            kind: .groups,
            claims: ["realm_access": ["roles": ["admin"]]],
            items: ["admin"],
            passes: true,
            path: ["realm_access", "roles"]
        ),
        Row(
            kind: .groups,
            claims: ["realm_access.roles": ["admin"]],
            items: ["admin"],
            passes: false,
            path: ["realm_access", "roles"]
        ),
        Row(kind: .groups, claims: ["c": "x"], items: ["x"], passes: false, path: ["c", "x"]),
        // Texts that Swift takes for equal are not.
        Row(kind: .groups, claims: ["c": ["caf\u{e9}"]], items: ["cafe\u{301}"], passes: false),
        Row(kind: .oneOf, claims: ["c": "example.com"], items: ["example.com"], passes: true),
        Row(kind: .oneOf, claims: ["c": "evil.example.com"], items: ["example.com"], passes: false),
        Row(kind: .forbidden, claims: ["c": false], items: [], passes: false),
        Row(kind: .forbidden, claims: [:], items: [], passes: true),
    ]

    @Test(arguments: rows) func `a rule is met or not`(_ row: Row) {
        let rule = ClaimRule(setting: "s", kind: row.kind, path: row.path, items: row.items, reason: "r")
        let verdict = rule.verdict(on: ClaimSources([ClaimSource("t", row.claims)]))
        #expect(verdict.passes == row.passes)
    }

    @Test func `the first source that has the claim decides`() {
        let rule = ClaimRule(setting: "s", kind: .groups, path: ["groups"], items: ["admin"], reason: "r")
        let access = ClaimSource("access token", ["groups": ["user"]])
        let id = ClaimSource("ID token", ["groups": ["admin"]])
        #expect(!rule.verdict(on: ClaimSources([access, id])).passes)
        #expect(rule.verdict(on: ClaimSources([access, id])).source == "access token")
        #expect(rule.verdict(on: ClaimSources([ClaimSource("access token", [:]), id])).passes)
    }

    @Test func `the granted scope decides on scopes before any claim`() {
        let rule = ClaimRule(setting: "s", kind: .scopes, path: ["scope"], items: ["write"], reason: "r")
        let token = ClaimSource("access token", ["scope": "write"])
        #expect(!rule.verdict(on: ClaimSources([token], grantedScope: "read")).passes)
        #expect(rule.verdict(on: ClaimSources([token], grantedScope: "read write")).passes)
        #expect(rule.verdict(on: ClaimSources([token])).passes)
    }

    @Test func `a policy names the first rule that refuses`() {
        let policy = ClaimPolicy([
            ClaimRule(
                setting: "scopes_required",
                kind: .scopes,
                path: ["scope"],
                items: ["a"],
                reason: "one"
            ),
            ClaimRule(setting: "roles_required", kind: .groups, path: ["roles"], items: ["b"], reason: "two"),
        ])
        #expect(policy.refusal(of: ClaimSources([ClaimSource("t", ["scope": "a"])]))?.reason == "two")
        #expect(policy.refusal(of: ClaimSources([ClaimSource("t", ["scope": "a", "roles": "b"])])) == nil)
    }
}

struct ClaimTextTests {
    @Test(arguments: [
        ("alice", "alice"), ("a b", "a b"), ("Jos\u{e9}", "Jos%C3%A9"), ("100%", "100%25"),
        (" a ", "%20a%20"),
        ("Jos%C3%A9", "Jos%25C3%25A9"), ("", ""),
    ])
    func `text stands in a field in one way only`(_ text: String, _ field: String) throws {
        #expect(try ClaimText.encoded(text) == field)
    }

    // H3
    @Test(arguments: ["a\r\nX-Admin: 1", "a\n", "a\0", "a\u{7F}", "\t", "\u{1B}[31m"])
    func `a control character is never sent`(_ text: String) {
        #expect(throws: ClaimTextError.control) { try ClaimText.field(.string(text)) }
        #expect(throws: ClaimTextError.control) { try ClaimText.list([text]) }
    }

    @Test func `lists and records are base64 of their JSON`() throws {
        #expect(try ClaimText.field(["a", "b"]) == "WyJhIiwiYiJd")
        #expect(try ClaimText.field(["k": 1]) == "eyJrIjoxfQ==")
        #expect(try ClaimText.field(true) == "true")
        #expect(try ClaimText.field(7) == "7")
        #expect(try ClaimText.field(.null) == nil)
    }

    @Test func `a comma within a group makes no second group`() throws {
        #expect(try ClaimText.list(["dev", "a,admin"]) == "dev, a%2Cadmin")
    }

    @Test(arguments: [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")])
    func `base64 of RFC 4648 §10`(_ text: String, _ encoded: String) {
        #expect(ClaimText.base64(Array(text.utf8)) == encoded)
    }
}

struct ConsumerRuleTests {
    let directory = ConsumerDirectory([
        Consumer(id: "1", username: "Alice", customID: "a-1"),
        Consumer(id: "2", username: "bob", customID: "b-2"),
        Consumer(id: "3", username: "BOB"), Consumer(id: "4", username: "kate"),
    ])

    private func find(_ rule: ConsumerRule, _ claims: JSONValue) -> String? {
        guard
            case .found(let consumer, _) = rule.consumer(
                of: ClaimSources([ClaimSource("t", claims)]),
                among: directory
            )
        else { return nil }
        return consumer.id
    }

    @Test func `the first path and the first field that find somebody win`() {
        let rule = ConsumerRule(paths: [["x"], ["sub"]], fields: ["custom_id", "username"])
        #expect(find(rule, ["sub": "a-1"]) == "1")
        #expect(find(rule, ["sub": "bob"]) == "2")
        #expect(find(rule, ["x": "b-2", "sub": "a-1"]) == "2")
        #expect(find(rule, ["sub": "1"]) == nil)
        #expect(find(ConsumerRule(paths: [["sub"]], fields: ["id"]), ["sub": "1"]) == "1")
    }

    // S8
    @Test func `case counts unless it is told not to, and two of a name are nobody`() {
        let strict = ConsumerRule(paths: [["sub"]], fields: ["username"])
        #expect(find(strict, ["sub": "alice"]) == nil)
        let loose = ConsumerRule(paths: [["sub"]], fields: ["username"], ignoresCase: true)
        #expect(find(loose, ["sub": "alice"]) == "1")
        #expect(find(loose, ["sub": "Bob"]) == nil)
        #expect(find(loose, ["sub": "bob"]) == "2")
        #expect(find(loose, ["sub": "KATE"]) == "4")
        // U+212A KELVIN SIGN has the lower case k.
        #expect(find(loose, ["sub": "\u{212A}ate"]) == nil)
    }

    @Test func `without claims to look at nobody is looked for`() {
        let sources = ClaimSources([ClaimSource("t", ["sub": "bob"])])
        #expect(ConsumerRule().consumer(of: sources, among: directory) == .notAsked)
        let rule = ConsumerRule(paths: [["sub"]], fields: ["username"])
        #expect(rule.consumer(of: ClaimSources([]), among: directory) == .missing)
    }
}
