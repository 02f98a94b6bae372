// key-auth proves consumers by key, and hides the key.
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct APIKeyTests {
    private let consumers: [Consumer] = {
        var carla = Consumer(id: "c-1", username: "carla")
        carla.keys = [KeyCredential(id: "k-1", key: "s3cret"), KeyCredential(id: "k-2", key: "a b+c%")]
        return [carla, Consumer(id: "c-2", username: "nobody")]
    }()

    private func plugin(_ settings: JSONValue = [:]) throws -> APIKey {
        let scope = PluginScope(key: "key-auth/1", consumers: ConsumerDirectory(self.consumers))
        let services = try AccessStage().services
        return try APIKey(try Settings(settings, schema: APIKey.fields), scope, services)
    }

    private func passage(
        _ request: String,
        _ fields: [(name: String, value: String)] = []
    ) throws -> Passage {
        let written = try WrittenRequest(request, fields: fields)
        return Passage(
            explaining: written.head,
            client: written.client,
            plan: try Plan(Configuration(), kinds: []),
            worker: Worker(index: 0),
            now: 0
        )
    }

    private func refusal(_ plugin: APIKey, _ passage: Passage) -> Refusal? {
        do throws(Refusal) {
            _ = try plugin.request(passage)
            return nil
        } catch {
            return error
        }
    }

    private func unauthenticated(_ reason: String, _ message: String, _ challenge: String = "Key") -> Refusal
    {
        .unauthenticated(.init(reason, message: message, challenges: [challenge]))
    }

    @Test func `a key in a header names its consumer and credential`() throws {
        let passage = try self.passage("GET http://x/", [("ApiKey", "s3cret")])
        #expect(self.refusal(try self.plugin(), passage) == nil)
        #expect(passage.identity?.consumer?.username == "carla")
        #expect(passage.identity?.credentialIdentifier == "k-1")
        #expect(passage.identity?.method == "key-auth")
        #expect(passage.identity?.isAnonymous == false)
    }

    @Test func `a key in the query is decoded`() throws {
        let passage = try self.passage("GET http://x/?apikey=a+b%2Bc%25&y=1")
        #expect(self.refusal(try self.plugin(), passage) == nil)
        #expect(passage.identity?.credentialIdentifier == "k-2")
        let off = try self.passage("GET http://x/?apikey=s3cret")
        #expect(
            self.refusal(try self.plugin(["key_in_query": false]), off)
                == self.unauthenticated("no-credential", "No API key found in request")
        )
    }

    @Test func `no key, an empty key and an unknown key are refused with Kong's words`() throws {
        let plugin = try self.plugin()
        let none = self.unauthenticated("no-credential", "No API key found in request")
        #expect(self.refusal(plugin, try self.passage("GET http://x/")) == none)
        #expect(self.refusal(plugin, try self.passage("GET http://x/", [("apikey", "")])) == none)
        for wrong in ["s3cre", "s3cret1", "S3CRET", "\u{e9}"] {
            #expect(
                self.refusal(plugin, try self.passage("GET http://x/", [("apikey", wrong)]))
                    == self.unauthenticated("unknown-credential", "Unauthorized"),
                "\(wrong)"
            )
        }
    }

    /// P5: two values of one name are two readings.
    @Test func `P5 a key that is there twice is refused`() throws {
        let plugin = try self.plugin()
        let twice = self.unauthenticated("duplicate-credential", "Duplicate API key found")
        let headers = try self.passage("GET http://x/", [("apikey", "s3cret"), ("APIKEY", "s3cret")])
        #expect(self.refusal(plugin, headers) == twice)
        #expect(self.refusal(plugin, try self.passage("GET http://x/?apikey=s3cret&apikey=x")) == twice)
    }

    @Test func `a realm stands in the challenge`() throws {
        let refusal = self.refusal(try self.plugin(["realm": "api"]), try self.passage("GET http://x/"))
        #expect(refusal?.cause.challenges == ["Key realm=\"api\""])
    }

    /// H6: the credential is not passed on, under any of its names, in the header or the query.
    @Test func `H6 the key is hidden from the upstream unless it is asked for`() throws {
        let names: JSONValue = ["apikey", "x-key"]
        let request = "GET http://x/?a=1&x-key=zzz&b=2"
        let hidden = try self.passage(request, [("apikey", "s3cret")])
        #expect(self.refusal(try self.plugin(["key_names": names]), hidden) == nil)
        #expect(hidden.upstreamQuery == .replaced(Array("a=1&b=2".utf8)))
        var expected = FieldEdits()
        expected.remove("apikey")
        expected.remove("x-key")
        #expect("\(hidden.upstream)" == "\(expected)")
        let alone = try self.passage("GET http://x/?apikey=s3cret")
        #expect(self.refusal(try self.plugin(), alone) == nil)
        #expect(alone.upstreamQuery == .replaced(nil))
        let shown = try self.passage(request, [("apikey", "s3cret")])
        #expect(
            self.refusal(try self.plugin(["key_names": names, "hide_credentials": false]), shown) == nil
        )
        #expect(shown.upstream.isEmpty)
        #expect(shown.upstreamQuery == .unchanged)
    }

    @Test func `anonymous stands in when nothing is proven`() throws {
        let plugin = try self.plugin(["anonymous": "nobody"])
        for fields in [[], [(name: "apikey", value: "wrong")]] {
            let passage = try self.passage("GET http://x/", fields)
            #expect(self.refusal(plugin, passage) == nil)
            #expect(passage.identity?.consumer?.id == "c-2")
            #expect(passage.identity?.isAnonymous == true)
            #expect(passage.identity?.credentialIdentifier == nil)
        }
        let known = try self.passage("GET http://x/")
        known.identity = Identity(subject: "u", method: "bearer")
        #expect(self.refusal(plugin, known) == nil)
        #expect(known.identity?.subject == "u")
    }

    /// P6: OPTIONS opens nothing unless the configuration says so.
    @Test func `P6 OPTIONS needs a key too, unless it is said otherwise`() throws {
        #expect(self.refusal(try self.plugin(), try self.passage("OPTIONS http://x/")) != nil)
        let open = try self.plugin(["run_on_preflight": false])
        #expect(self.refusal(open, try self.passage("OPTIONS http://x/")) == nil)
        #expect(self.refusal(open, try self.passage("GET http://x/")) != nil)
    }

    @Test(arguments: [
        ("anonymous", "nobdy", "anonymous: there is no consumer 'nobdy'; did you mean 'nobody'?"),
        ("realm", "a\"b", "realm: expected visible ASCII without quotes and backslashes"),
    ])
    func `P8 settings that cannot hold are errors`(field: String, value: String, message: String) {
        #expect(throws: ConfigurationError(at: .nowhere, message)) {
            try self.plugin(.object([field: .string(value)]))
        }
    }

    @Test func `P8 no names and no places are errors`() {
        #expect(throws: ConfigurationError(at: .nowhere, "key_names: expected at least one, found none")) {
            try self.plugin(["key_names": []])
        }
        #expect(
            throws: ConfigurationError(
                at: .nowhere,
                "key_in_header: no key could ever be found; allow the header or the query"
            )
        ) {
            try self.plugin(["key_in_header": false, "key_in_query": false])
        }
    }

    @Test func `keys in the query are warned about`() throws {
        #expect(try self.plugin().warnings.count == 1)
        #expect(try self.plugin(["key_in_query": false]).warnings.isEmpty)
    }

    @Test func `all instances of a plan share one index`() throws {
        let directory = ConsumerDirectory(self.consumers)
        let first = try directory.derived { all throws(KeyIndex.Failure) in try KeyIndex(all) }
        let second = try directory.derived { all throws(KeyIndex.Failure) in try KeyIndex(all) }
        #expect(first === second)
        let other = try KeyIndex(directory)
        #expect(try other.owner(of: Array("s3cret".utf8))?.consumer.id == "c-1")
    }
}
