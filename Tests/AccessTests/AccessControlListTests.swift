// acl lets groups pass or keeps them out.
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct AccessControlListTests {
    private func verdict(_ settings: JSONValue, _ identity: Identity?) throws -> (Refusal?, Passage) {
        let plugin = try AccessControlList(try Settings(settings, schema: AccessControlList.kind.schema))
        let written = try WrittenRequest("GET http://x/")
        let passage = Passage(
            explaining: written.head,
            client: written.client,
            plan: try Plan(Configuration(), kinds: []),
            worker: Worker(index: 0),
            now: 0
        )
        passage.identity = identity
        do throws(Refusal) {
            _ = try plugin.request(passage)
            return (nil, passage)
        } catch {
            return (error, passage)
        }
    }

    private func member(
        _ groups: [String],
        of consumerGroups: [String] = [],
        claims: [String] = []
    ) -> Identity {
        var consumer = Consumer(id: "c", username: "carla")
        consumer.groups = groups
        consumer.consumerGroups = consumerGroups
        return Identity(consumer: consumer, groups: claims, method: "key-auth")
    }

    private let forbidden = Refusal.forbidden(
        .init("group-not-allowed", message: "You cannot consume this service")
    )

    @Test func `allow lets its groups pass and nobody else`() throws {
        #expect(try self.verdict(["allow": ["a", "b"]], self.member(["b"])).0 == nil)
        #expect(try self.verdict(["allow": ["a", "b"]], self.member(["c"])).0 == self.forbidden)
        #expect(try self.verdict(["allow": ["a"]], self.member([])).0 == self.forbidden)
        #expect(try self.verdict(["allow": ["a"]], self.member(["A"])).0 == self.forbidden)
    }

    @Test func `deny keeps its groups out and nobody else`() throws {
        #expect(try self.verdict(["deny": ["a"]], self.member(["a", "b"])).0 == self.forbidden)
        #expect(try self.verdict(["deny": ["a"]], self.member(["b"])).0 == nil)
    }

    // S8: U+212A KELVIN SIGN is canonically equivalent to K.
    @Test func `a group that only looks like another does not let pass, and is kept out`() throws {
        let alike = Identity(subject: "u", groups: ["\u{212A}ings"], method: "bearer")
        #expect(try self.verdict(["allow": ["Kings"]], alike).0 == self.forbidden)
        #expect(try self.verdict(["deny": ["Kings"]], alike).0 == self.forbidden)
    }

    @Test func `who proved nothing is 401, and who has neither consumer nor groups is 403`() throws {
        #expect(
            try self.verdict(["deny": ["a"]], nil).0
                == .unauthenticated(.init("no-credential", message: "Unauthorized"))
        )
        let stranger = Identity(subject: "u", method: "bearer")
        #expect(try self.verdict(["deny": ["a"]], stranger).0 == self.forbidden)
    }

    @Test func `an issuer's groups count without a consumer, or where it is said`() throws {
        let claimed = Identity(subject: "u", groups: ["a"], method: "bearer")
        #expect(try self.verdict(["allow": ["a"]], claimed).0 == nil)
        let both = self.member(["b"], claims: ["a"])
        #expect(try self.verdict(["allow": ["a"]], both).0 == self.forbidden)
        #expect(try self.verdict(["allow": ["a"], "always_use_authenticated_groups": true], both).0 == nil)
    }

    @Test func `consumer groups count only where it is said`() throws {
        let gold = self.member([], of: ["gold"])
        #expect(try self.verdict(["allow": ["gold"]], gold).0 == self.forbidden)
        #expect(try self.verdict(["allow": ["gold"], "include_consumer_groups": true], gold).0 == nil)
    }

    @Test func `the upstream sees the groups unless they are hidden`() throws {
        let passage = try self.verdict(["allow": ["a"]], self.member(["a", "b"], claims: ["z"])).1
        var expected = FieldEdits()
        try expected.set("x-consumer-groups", "a, b")
        #expect("\(passage.upstream)" == "\(expected)")
        #expect(passage.identity?.groups == ["z"])
        let hidden = try self.verdict(
            ["allow": ["a"], "hide_groups_header": true],
            self.member(["a"], claims: ["z"])
        ).1
        #expect(hidden.upstream.isEmpty)
        #expect(hidden.identity?.groups == [])
    }

    static let wrong: [(JSONValue, String)] = [
        ([:], "allow: acl needs 'allow' or 'deny'"),
        (["allow": []], "allow: expected at least one group, found none"),
        (["deny": []], "deny: expected at least one group, found none"),
        (["allow": ["a"], "deny": ["b"]], "deny: acl takes 'allow' or 'deny', not both"),
    ]

    @Test(arguments: wrong)
    func `P8 lists that say nothing are errors`(settings: JSONValue, message: String) {
        #expect(throws: ConfigurationError(at: .nowhere, message)) { try self.verdict(settings, nil) }
    }

    @Test func `an explanation says which groups were wanted and found`() throws {
        let plugin = try AccessControlList(
            try Settings(["allow": ["a"]], schema: AccessControlList.kind.schema)
        )
        let passage = try self.verdict(["allow": ["a"]], self.member(["b"])).1
        let rule = try #require(plugin.explain(passage, claims: nil).rules.first)
        #expect(rule.outcome == .failed)
        #expect(rule.detail == "allow a; found b")
    }
}
