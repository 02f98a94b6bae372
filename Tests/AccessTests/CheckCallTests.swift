// Envoy's question by gRPC, and the words of the answer.
import EnvoyAPI
import Gateway
import JSON
import SwiftProtobuf
import Testing

@testable import Access
@testable import Proxy

struct CheckCallTests {
    /// A question about a request to `app.example`.
    private static func question(
        _ path: String = "/here?q=1",
        _ fields: [(String, String)] = [],
        change: (inout EnvoyAttributeContext) -> Void = { _ in }
    ) -> EnvoyCheckRequest {
        var question = EnvoyCheckRequest()
        question.attributes.source.address.socketAddress.address = "203.0.113.9"
        question.attributes.request.http.method.append(contentsOf: "GET".utf8)
        question.attributes.request.http.path.append(contentsOf: path.utf8)
        question.attributes.request.http.host.append(contentsOf: "app.example".utf8)
        question.attributes.request.http.scheme.append(contentsOf: "https".utf8)
        for (name, value) in fields {
            var field = EnvoyHeaderValue()
            field.key.append(contentsOf: name.utf8)
            field.rawValue.append(contentsOf: value.utf8)
            question.attributes.request.http.headerMap.headers.append(field)
        }
        change(&question.attributes)
        return question
    }

    private static func ask(
        _ question: EnvoyCheckRequest,
        on stage: AccessStage,
        isTrusted: Bool = true
    ) async throws -> (said: EnvoyCheckResponse, outcome: Outcome) {
        let outcome = try await stage.call(
            CheckCall(services: stage.services, trustedPeers: []),
            try question.serializedBytes(),
            isTrusted: isTrusted
        )
        let answer = try #require(outcome.answer)
        #expect(answer.status == 200)
        #expect(answer.field("content-type") == "application/grpc")
        let message = try GRPCMessage.only(in: answer.body)
        return (try EnvoyCheckResponse(serializedBytes: Array(message)), outcome)
    }

    private static func value(_ name: String, _ options: [EnvoyHeaderValueOption]) -> String? {
        options.first { $0.header.key == name }?.header.value
    }

    @Test func `a yes sets what is known, takes off the rest and tells who it is (H1)`() async throws {
        let stage = try AccessStage()
        let shown = try stage.bearer(["groups": ["dev"]]) + [("x_consumer_id", "spoofed")]
        let (said, outcome) = try await Self.ask(Self.question("/here", shown), on: stage)
        #expect(said.status.code == 0)
        let ok = said.okResponse
        #expect(Self.value("x-auth-request-user", ok.headers) == "alice")
        #expect(Self.value("x-auth-request-groups", ok.headers) == "dev")
        #expect(ok.headers.allSatisfy { $0.appendAction == .overwriteIfExistsOrAdd })
        let names = Set(ok.headers.map(\.header.key))
        let removed = Set(ok.headersToRemove)
        #expect(names.isDisjoint(with: removed))
        for name in stage.plan.identityNames {
            #expect(names.contains(name.description) || removed.contains(name.description), "\(name)")
        }
        #expect(removed.isSuperset(of: ["x_consumer_id", "x-auth-request-access-token"]))
        #expect(said.dynamicMetadata.fields["sub"]?.stringValue == "alice")
        #expect(said.dynamicMetadata.fields["issuer"]?.stringValue == "https://id.example")
        #expect(said.dynamicMetadata.fields.count == 2)
        #expect(outcome.answer?.meaning == 200)
    }

    // H6
    @Test func `no token leaves by another name than the plugin gave it`() async throws {
        let stage = try AccessStage(["upstream_access_token_header": ""])
        let (said, _) = try await Self.ask(Self.question("/here", try stage.bearer()), on: stage)
        #expect(!said.okResponse.headers.contains { $0.header.value.contains("ey") })
        #expect(said.okResponse.headersToRemove.contains("authorization"))
    }

    @Test func `a no has its status, its fields and its words`() async throws {
        let stage = try AccessStage()
        let (said, outcome) = try await Self.ask(Self.question(), on: stage)
        #expect(said.status.code == 16)
        #expect(said.deniedResponse.status.code == 401)
        #expect(Self.value("www-authenticate", said.deniedResponse.headers) == "Bearer realm=\"id.example\"")
        #expect(said.deniedResponse.body.contains("Unauthorized"))
        #expect(outcome.answer?.meaning == 401)
    }

    @Test func `a browser is led to the login`() async throws {
        let stage = try AccessStage()
        let (said, _) = try await Self.ask(Self.question("/here?q=1", AccessStage.navigation), on: stage)
        #expect(said.deniedResponse.status.code == 302)
        let start = "https://app.example/oauth2/start?rd=%2Fhere%3Fq%3D1"
        #expect(Self.value("location", said.deniedResponse.headers) == start)
        #expect(said.status.code == 16)
    }

    // P5
    @Test func `a call of gRPC is told its status in gRPC's words, and no yes`() async throws {
        let stage = try AccessStage()
        let call = [("content-type", "application/grpc")]
        let (said, _) = try await Self.ask(Self.question("/here", call), on: stage)
        #expect(said.deniedResponse.status.code == 401)
        #expect(Self.value("grpc-status", said.deniedResponse.headers) == "16")
    }

    // P1
    @Test func `a stranger is refused before its question is read`() async throws {
        let stage = try AccessStage()
        let question = Self.question("/here", try stage.bearer())
        let (said, outcome) = try await Self.ask(question, on: stage, isTrusted: false)
        #expect(said.status.code == 7)
        #expect(said.deniedResponse.status.code == 403)
        #expect(outcome.passage.reason == "untrusted-callout")
        #expect(outcome.passage.detail?.contains("set trusted_ips") == true)
    }

    @Test func `cookies for the browser come after the upstream's own, each by itself`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        stage.clock.advance(by: 60)
        let cookie = [("cookie", browser.field ?? "")]
        let (said, outcome) = try await Self.ask(Self.question("/here", cookie), on: stage)
        let added = said.okResponse.responseHeadersToAdd
        #expect(added.map(\.header.key) == ["set-cookie"])
        #expect(added.allSatisfy { $0.appendAction == .appendIfExistsOrAdd })
        // The call's own head has none of it.
        #expect(outcome.passage.answer.isEmpty)
        #expect(said.okResponse.headersToRemove.contains("cookie"))
    }

    // P8
    @Test func `rules beside the route narrow, and one that is misspelt lets nobody pass`() async throws {
        let stage = try AccessStage()
        let shown = try stage.bearer(["groups": ["dev"]])
        for (name, value, status) in [
            ("allowed_groups", "dev", 0), ("allowed_groups", "ops", 403), ("allowed_group", "dev", 403),
            ("sub", "alice", 0),
        ] {
            let question = Self.question("/here", shown) { attributes in
                var pair = EnvoyPair()
                pair.key.append(contentsOf: name.utf8)
                pair.value.append(contentsOf: value.utf8)
                attributes.contextExtensions = [pair]
            }
            let (said, _) = try await Self.ask(question, on: stage)
            #expect(Int(said.deniedResponse.status.code) == status, "\(name) \(value)")
        }
    }

    // MARK: Queries

    @Test(
        arguments: [
            ("", "", [], []), ("a=1&b=2", "a=1&b=2", [], []), ("a=1&b=2", "b=2&a=1", [], []),
            ("a=1", "", [], ["a"]), ("a=1&a=2&b", "b", [], ["a"]), ("", "a=1", [("a", "1")], []),
            ("a=1&b=2", "a=3&c=", [("a", "3"), ("c", "")], ["b"]), ("a=1&a=2", "a=2", [("a", "2")], []),
            ("api%6Bey=1&x=%20", "x=%20", [], ["api%6Bey"]),
        ] as [(String, String, [(String, String)], [String])]
    )
    func `a changed query is told by its parameters`(
        _ old: String,
        _ new: String,
        _ set: [(String, String)],
        _ removed: [String]
    ) throws {
        let difference = try #require(QueryDifference(from: Array(old.utf8)[...], to: Array(new.utf8)[...]))
        #expect(difference.set.map(\.name) == set.map(\.0))
        #expect(difference.set.map(\.value) == set.map(\.1))
        #expect(difference.removed == removed)
    }

    @Test(arguments: [
        ("", "a=1&a=2"), ("a=1", "a=1&a=2"), ("a=1&a=2", "a=2&a=1"), ("a=1&a=2", "a=1&a=2&a=3"),
    ])
    func `a parameter of several values cannot be told`(_ old: String, _ new: String) {
        #expect(QueryDifference(from: Array(old.utf8)[...], to: Array(new.utf8)[...]) == nil)
    }
}
