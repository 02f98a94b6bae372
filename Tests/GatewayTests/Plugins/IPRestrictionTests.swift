// ip-restriction refuses by the address that is believed.
import JSON
import Proxy
import Testing

@testable import Gateway

struct IPRestrictionTests {
    private func ask(_ settings: JSONValue, from peer: String) throws -> Outcome {
        try Stage([(IPRestriction.kind, settings)]).ask(peer: peer)
    }

    @Test(arguments: [
        ("10.0.0.0/8", "10.255.255.255", true), ("10.0.0.0/8", "11.0.0.0", false),
        ("10.0.0.0/8", "9.255.255.255", false), ("192.0.2.7", "192.0.2.7", true),
        ("192.0.2.7", "192.0.2.8", false), ("2001:db8::/32", "2001:db8:ffff::1", true),
        ("2001:db8::/32", "2001:db9::", false), ("::/0", "192.0.2.7", false), ("0.0.0.0/0", "1.2.3.4", true),
        ("::ffff:192.0.2.7", "192.0.2.7", true),
    ])
    func `allow lets in what it names and nobody else`(range: String, peer: String, passes: Bool) throws {
        let outcome = try self.ask(["allow": [.string(range)]], from: peer)
        #expect(outcome.isForwarded == passes)
        guard !passes else { return }
        #expect(outcome.answer?.status == 403)
        #expect(try outcome.message() == "IP address not allowed: \(peer)")
        #expect(outcome.trip.passage?.reason == "address-not-allowed")
    }

    @Test func `deny refuses what it names, allowed or not, and lets the rest in`() throws {
        let both: JSONValue = ["allow": ["10.0.0.0/8"], "deny": ["10.1.0.0/16", "10.1.5.0/24"]]
        #expect(try self.ask(both, from: "10.0.255.255").isForwarded)
        #expect(try !self.ask(both, from: "10.1.0.0").isForwarded)
        #expect(try !self.ask(both, from: "10.1.255.255").isForwarded)
        #expect(try self.ask(both, from: "10.2.0.0").isForwarded)
        #expect(try !self.ask(both, from: "192.0.2.7").isForwarded)
        #expect(try self.ask(["deny": ["10.0.0.0/8"]], from: "192.0.2.7").isForwarded)
    }

    @Test func `status and message are as written`() throws {
        let outcome = try self.ask(
            ["deny": ["::1", "192.0.2.7"], "status": 404, "message": "nothing here"],
            from: "192.0.2.7"
        )
        #expect(outcome.answer?.status == 404)
        #expect(try outcome.message() == "nothing here")
    }

    @Test func `it is asked before authentication`() throws {
        let login = ScriptedPlugin.kind("prove", .authenticate) { _ throws(Refusal) in
            throw .unauthenticated(.init("no-credential"))
        }
        let stage = try Stage([(IPRestriction.kind, ["allow": ["10.0.0.0/8"]])], others: [login])
        #expect(try stage.ask(peer: "192.0.2.7").answer?.status == 403)
        #expect(try stage.ask(peer: "10.0.0.1").answer?.status == 401)
    }

    static let wrong: [(JSONValue, String)] = [
        ([:], "ip-restriction needs allow or deny: with neither it restricts nobody"),
        (["allow": []], "allow: is empty; name an address or leave it out"),
        (
            ["deny": ["10.0.0.0/33"]],
            "deny: '10.0.0.0/33' is neither an address nor a range such as 10.0.0.0/8"
        ),
        (["allow": ["here"]], "allow: 'here' is neither an address nor a range such as 10.0.0.0/8"),
    ]

    @Test(arguments: wrong)
    func `settings that restrict nobody or nothing known are errors`(_ json: JSONValue, _ message: String) {
        #expect(throws: ConfigurationError(at: .nowhere, message)) { try self.ask(json, from: "1.2.3.4") }
    }

    @Test func `an explanation names the rule`() throws {
        let plan = try Stage.plan([(IPRestriction.kind, ["deny": ["192.0.2.1"]])])
        let written = try WrittenRequest("GET https://x/")
        let json = Explainer(plan: plan, now: 0)
            .explain(written.head, client: written.client, claims: nil).json
        #expect(json["reason"] == "address-not-allowed")
        #expect(json["plugins"]?.array?.first?["rules"]?.array?.first?["rule"] == "deny")
    }
}
