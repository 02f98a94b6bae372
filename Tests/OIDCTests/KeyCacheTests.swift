// The contract of the key cache: few fetches, never a wait for what is known, nothing good lost.
import Fetch
import Foundation
import JOSE
import JSON
import Testing

@testable import OIDC

struct KeyCacheTests {
    private func kids(_ issuer: Issuer) -> [String] { issuer.keys.keys.compactMap { $0.kid } }

    private func temporaryFolder() -> String {
        FileManager.default.temporaryDirectory.appendingPathComponent("keys-\(UUID().uuidString)").path
    }

    @Test func `D8 five hundred first requests share one fetch of each kind`() async throws {
        let stage = try Stage()
        stage.remote.hold("/jwks")
        await withTaskGroup(of: KeyLookup.self) { group in
            for _ in 0..<500 { group.addTask { await stage.issuer.keysAfterUnknownKey(seen: 0) } }
            await stage.remote.reached("/jwks")
            stage.remote.release()
            for await lookup in group { #expect(lookup == .refreshed) }
        }
        #expect(stage.remote.count("/jwks") == 1)
        #expect(stage.remote.count("/.well-known/openid-configuration") == 1)
        #expect(self.kids(stage.issuer) == ["one"])
    }

    @Test func `J10 D7 ten thousand unknown keys cost one fetch in thirty seconds`() async throws {
        let stage = try Stage()
        await stage.issuer.start()
        #expect(stage.remote.count("/jwks") == 1)
        for _ in 0..<10_000 {
            let seen = stage.issuer.keySnapshot.version
            _ = await stage.issuer.keysAfterUnknownKey(seen: seen)
        }
        #expect(stage.remote.count("/jwks") == 2)
        let seen = stage.issuer.keySnapshot.version
        stage.clock.advance(by: 29.5)
        #expect(!stage.issuer.mayBringKey(seen: seen))
        #expect(await stage.issuer.keysAfterUnknownKey(seen: seen) == .paused)
        stage.clock.advance(by: 0.5)
        #expect(stage.issuer.mayBringKey(seen: seen))
        #expect(await stage.issuer.keysAfterUnknownKey(seen: seen) == .unchanged)
        #expect(stage.remote.count("/jwks") == 3)
    }

    @Test
    func `the version beside the lock is that of the keys, fresh or stale, also where the clock goes back`()
        async throws
    {
        let stage = try Stage()
        #expect(stage.issuer.keysVersion == stage.issuer.keySnapshot.version)
        await stage.issuer.start()
        var versions: [UInt64] = []
        for (index, step) in [0.0, 31, 31, -1800, 4000].enumerated() {
            stage.clock.advance(by: step)
            try stage.remote.publish(index % 2 == 0 ? [stage.key] : [stage.key, stage.other])
            _ = await stage.issuer.keysAfterUnknownKey(seen: stage.issuer.keySnapshot.version)
            #expect(stage.issuer.keysVersion == stage.issuer.keySnapshot.version, "after \(step) s")
            versions.append(stage.issuer.keysVersion)
        }
        #expect(versions.last ?? 0 > versions[0])
        // Days before they were taken, keys are as stale as days after: a fetch begins beside.
        let fetches = stage.remote.count("/jwks")
        stage.clock.advance(by: -200_000)
        _ = stage.issuer.keysVersion
        await stage.remote.reached("/jwks", count: fetches + 1)
    }

    @Test func `J10 a key endpoint that hangs holds nobody up who has a key`() async throws {
        let stage = try Stage()
        await stage.issuer.start()
        stage.remote.hold("/jwks")
        async let waiting = stage.issuer.keysAfterUnknownKey(seen: stage.issuer.keySnapshot.version)
        await stage.remote.reached("/jwks", count: 2)
        #expect(self.kids(stage.issuer) == ["one"])
        stage.remote.release()
        #expect(await waiting == .unchanged)
    }

    @Test func `J10 only so many wait for one fetch`() async throws {
        let stage = try Stage()
        stage.remote.hold("/jwks")
        await withTaskGroup(of: KeyLookup.self) { group in
            for _ in 0..<(KeyCache.maximumWaiting + 10) {
                group.addTask { await stage.issuer.keysAfterUnknownKey(seen: 0) }
            }
            for _ in 0..<10 { #expect(await group.next() == .paused) }
            stage.remote.release()
            for await lookup in group { #expect(lookup == .refreshed) }
        }
        #expect(stage.remote.count("/jwks") == 1)
    }

    @Test func `whoever saw older keys than there are verifies again without a fetch`() async throws {
        let stage = try Stage()
        await stage.issuer.start()
        #expect(await stage.issuer.keysAfterUnknownKey(seen: 0) == .refreshed)
        #expect(stage.remote.count("/jwks") == 1)
    }

    @Test func `D6 a rotation is followed by one fetch, and a key that is gone is gone`() async throws {
        let stage = try Stage()
        await stage.issuer.start()
        try stage.remote.publish([stage.other])
        let seen = stage.issuer.keySnapshot.version
        #expect(await stage.issuer.keysAfterUnknownKey(seen: seen) == .refreshed)
        #expect(self.kids(stage.issuer) == ["two"])
        #expect(stage.remote.count("/jwks") == 2)
    }

    // MARK: Failures

    @Test(arguments: [
        FetchError.connectionRefused, .timedOut, .bodyTooLarge(limit: 1 << 20), .garbled,
    ])
    func `the last good keys stay when a fetch fails`(error: FetchError) async throws {
        let stage = try Stage()
        await stage.issuer.start()
        stage.remote.fail("/jwks", error)
        let lookup = await stage.issuer.keysAfterUnknownKey(seen: stage.issuer.keySnapshot.version)
        #expect(lookup == .failed(.unreachable(.keys, error)))
        #expect(self.kids(stage.issuer) == ["one"])
    }

    @Test(arguments: [
        "{}", #"{"keys":[]}"#, #"{"keys":{}}"#, "[]", "x",
        #"{"keys":[{"kty":"oct","kid":"o","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}"#,
    ])
    func `J11 a set without a usable key replaces nothing`(text: String) async throws {
        let stage = try Stage()
        await stage.issuer.start()
        stage.remote.answer("/jwks", status: 200, text: text)
        let lookup = await stage.issuer.keysAfterUnknownKey(seen: stage.issuer.keySnapshot.version)
        guard case .failed(.malformedAnswer(.keys, _)) = lookup else {
            Issue.record("\(lookup)")
            return
        }
        #expect(self.kids(stage.issuer) == ["one"])
    }

    @Test func `J11 one bad key does not spoil the set`() async throws {
        let stage = try Stage()
        let keys: [JSONValue] = [
            ["kty": "RSA", "n": "AQAB", "e": "AQAB"], ["kty": "new"], try stage.key.json,
        ]
        stage.remote.answer("/jwks", ["keys": .array(keys)])
        await stage.issuer.start()
        #expect(self.kids(stage.issuer) == ["one"])
    }

    @Test func `an issuer that is down at the start is asked again, with a pause`() async throws {
        let stage = try Stage()
        stage.remote.fail("/.well-known/openid-configuration", .connectionRefused)
        await stage.issuer.start()
        #expect(stage.issuer.keys.isEmpty)
        #expect(
            await stage.issuer.keysAfterUnknownKey(seen: 0)
                == .failed(.unreachable(.discovery, .connectionRefused))
        )
        stage.remote.answer("/.well-known/openid-configuration", stage.remote.metadata)
        stage.clock.advance(by: 1)
        #expect(await stage.issuer.keysAfterUnknownKey(seen: 0) == .refreshed)
        #expect(self.kids(stage.issuer) == ["one"])
    }

    // MARK: Freshness

    private static let date = "Tue, 14 Nov 2023 22:13:20 GMT"

    @Test(
        arguments: [
            ([:], 3600), (["Cache-Control": "max-age=600"], 600),
            (["Cache-Control": "public, max-age=600"], 600), (["Cache-Control": "MAX-AGE=\"600\""], 600),
            (["Cache-Control": "max-age=59"], 60), (["Cache-Control": "max-age=0"], 60),
            (["Cache-Control": "max-age=86400"], 86_400), (["Cache-Control": "max-age=86401"], 86_400),
            (["Cache-Control": "no-store"], 60), (["Cache-Control": "no-cache, max-age=600"], 60),
            (["Cache-Control": "max-age=-1"], 3600), (["Cache-Control": "max-age=x"], 3600),
            (["Cache-Control": "max-age=600", "Age": "100"], 500),
            (["Cache-Control": "max-age=600", "Age": "600"], 60),
            (["Expires": "Tue, 14 Nov 2023 22:23:20 GMT", "Date": date], 600),
            (["Expires": "Tue, 14 Nov 2023 22:23:20 GMT"], 600), (["Expires": "0"], 60),
            (["Expires": "Tue, 14 Nov 2023 22:13:20 GMT"], 60),
            (["Expires": "Fri, 01 Jan 2038 00:00:00 GMT"], 86_400),
            (["Expires": "0", "Cache-Control": "max-age=600"], 600),
        ] as [([String: String], Double)]
    )
    func `what an answer says of its lifetime counts within bounds`(fields: [String: String], seconds: Double)
    {
        let response = FetchResponse(status: 200, fields: fields.map { ($0.key, $0.value) })
        #expect(Freshness.lifetime(of: response, at: 1_700_000_000) == seconds)
    }

    @Test(arguments: [
        ("\"a\"", true), ("W/\"a\"", true), ("a", false), ("\"", false), ("\"a b\"", false),
        ("\"\u{e9}\"", false),
        ("\"" + String(repeating: "a", count: 254) + "\"", true),
        ("\"" + String(repeating: "a", count: 255) + "\"", false),
    ])
    func `only a tag that can be sent back is kept`(tag: String, isTaken: Bool) {
        let response = FetchResponse(status: 200, fields: [("ETag", tag)])
        #expect(Freshness.tag(of: response) == (isTaken ? tag : nil))
    }

    @Test func `a set that has not changed is asked for by its tag, and keeps its version`() async throws {
        let stage = try Stage()
        try stage.remote.publish([stage.key], fields: [("ETag", "\"one\"")])
        await stage.issuer.start()
        #expect(stage.remote.lastRequest?.fields.contains { $0.0 == "If-None-Match" } == false)
        let version = stage.issuer.keysVersion
        stage.remote.script("/jwks") { request throws(FetchError) in
            let tag = request.fields.first { $0.0 == "If-None-Match" }?.1
            return FetchResponse(
                status: tag == "\"one\"" ? 304 : 500,
                fields: [("Cache-Control", "max-age=7200")]
            )
        }
        #expect(await stage.issuer.keysAfterUnknownKey(seen: version) == .unchanged)
        #expect(stage.issuer.keysVersion == version)
        #expect(self.kids(stage.issuer) == ["one"])
        #expect(stage.issuer.keySnapshot.takenAt == stage.clock.now)
        // A new set comes with a new tag, and is asked for by that one.
        try stage.remote.publish([stage.other], fields: [("ETag", "\"two\"")])
        stage.clock.advance(by: 30)
        #expect(await stage.issuer.keysAfterUnknownKey(seen: version) == .refreshed)
        stage.clock.advance(by: 30)
        _ = await stage.issuer.keysAfterUnknownKey(seen: stage.issuer.keySnapshot.version)
        #expect(stage.remote.lastRequest?.fields.first { $0.0 == "If-None-Match" }?.1 == "\"two\"")
    }

    @Test func `not modified is no answer to who did not ask for that`() async throws {
        let stage = try Stage()
        stage.remote.answer("/jwks", [:], status: 304)
        await stage.issuer.start()
        #expect(stage.issuer.keys.isEmpty)
        #expect(stage.remote.outcomes.last == "keys issuer-failed")
    }

    @Test func `keys are fetched ahead of need, beside, while the old ones are used`() async throws {
        let stage = try Stage()
        try stage.remote.publish([stage.key], fields: [("Cache-Control", "max-age=100")])
        await stage.issuer.start()
        stage.clock.advance(by: 74.5)
        stage.directory.refreshDue()
        #expect(self.kids(stage.issuer) == ["one"])
        #expect(stage.remote.count("/jwks") == 1)
        try stage.remote.publish([stage.other])
        stage.remote.hold("/jwks")
        stage.clock.advance(by: 15.5)
        // Nobody asks for a key: it is time that fetches.
        stage.directory.refreshDue()
        await stage.remote.reached("/jwks", count: 2)
        #expect(self.kids(stage.issuer) == ["one"])
        let version = stage.issuer.keySnapshot.version
        async let newer = stage.issuer.keysAfterUnknownKey(seen: version)
        stage.remote.release()
        #expect(await newer == .refreshed)
        #expect(self.kids(stage.issuer) == ["two"])
    }

    @Test func `in an outage the last good keys serve as long as is written, and no longer`() async throws {
        let stage = try Stage { $0.outageSeconds = 500 }
        try stage.remote.publish([stage.key], fields: [("Cache-Control", "max-age=100")])
        await stage.issuer.start()
        stage.remote.fail("/jwks", .connectionRefused)
        let version = stage.issuer.keysVersion
        stage.clock.advance(by: 599.5)
        #expect(self.kids(stage.issuer) == ["one"])
        #expect(stage.issuer.keysVersion == version)
        _ = await stage.issuer.keysAfterUnknownKey(seen: version)
        stage.clock.advance(by: 0.5)
        #expect(stage.issuer.keysVersion == version + 1)
        #expect(stage.issuer.keys.isEmpty)
        #expect(stage.remote.keyNews.map(\.usable) == [1, 0])
        // Whoever comes back is taken again.
        _ = await stage.issuer.keysAfterUnknownKey(seen: version + 1)
        try stage.remote.publish([stage.key])
        stage.clock.advance(by: 30)
        #expect(await stage.issuer.keysAfterUnknownKey(seen: version + 1) == .refreshed)
        #expect(self.kids(stage.issuer) == ["one"])
        #expect(stage.issuer.keysVersion == version + 2)
    }

    @Test func `J11 a thousand keys, foreign ones and bad ones among them, are one set`() async throws {
        let stage = try Stage()
        var keys: [JSONValue] = (0..<998).map {
            ["kty": "RSA", "kid": .string("x\($0)"), "n": "AQAB", "e": "AQAB"]
        }
        keys.append(["kty": "AKP", "kid": "foreign", "alg": "ML-DSA-44", "pub": "AAAA"])
        keys.append(try stage.key.json)
        stage.remote.answer("/jwks", ["keys": .array(keys)])
        await stage.issuer.start()
        #expect(self.kids(stage.issuer) == ["one"])
        #expect(stage.remote.keyNews == [KeyNews(usable: 1, rejected: 998, takenAt: stage.clock.now)])
    }

    // MARK: Other places

    @Test func `extra keys belong to the issuer, and a place that fails keeps its own`() async throws {
        let stage = try Stage { $0.extraJWKSURLs = ["https://id.example/extra"] }
        stage.remote.answer("/extra", ["keys": [try stage.other.json]])
        await stage.issuer.start()
        #expect(self.kids(stage.issuer) == ["one", "two"])
        stage.remote.fail("/extra", .timedOut)
        stage.clock.advance(by: 100)
        #expect(await stage.issuer.keysAfterUnknownKey(seen: stage.issuer.keySnapshot.version) == .unchanged)
        #expect(self.kids(stage.issuer) == ["one", "two"])
        // The place that failed is asked again soon, not in an hour.
        let count = stage.remote.count("/extra")
        stage.clock.advance(by: 60)
        _ = stage.issuer.keys
        await stage.remote.reached("/extra", count: count + 1)
    }

    @Test func `keys are followed to where the metadata says they moved`() async throws {
        let stage = try Stage()
        await stage.issuer.start()
        var document = stage.remote.metadata.object ?? [:]
        document["jwks_uri"] = "https://id.example/moved"
        stage.remote.answer("/.well-known/openid-configuration", .object(document))
        stage.remote.answer("/moved", ["keys": [try stage.other.json]])
        stage.clock.advance(by: 3601)
        #expect(await stage.issuer.keysAfterUnknownKey(seen: stage.issuer.keySnapshot.version) == .refreshed)
        #expect(self.kids(stage.issuer) == ["two"])
    }

    @Test func `a pseudo issuer takes its keys from a file that the configuration names`() async throws {
        let folder = self.temporaryFolder()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let secret: JSONValue = [
            "kty": "oct", "kid": "o", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ]
        let document: JSONValue = ["keys": [try TestKeys.first.get().json, secret]]
        try Data(document.serialized()).write(to: URL(fileURLWithPath: folder + "/keys.json"))
        let stage = try Stage(dataDirectory: folder) {
            $0.usesPseudoIssuer = true
            $0.jwksEndpoint = "file://\(folder)/keys.json"
        }
        await stage.issuer.start()
        #expect(self.kids(stage.issuer) == ["one", "o"])
        #expect(stage.remote.lastRequest == nil)
        // What came from a file is not kept a second time: it may hold secrets.
        #expect(!FileManager.default.fileExists(atPath: folder + "/keys-cache"))
    }

    // MARK: Disk

    @Test func `keys outlive a restart during which the issuer is down`() async throws {
        let folder = self.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let before = try Stage(dataDirectory: folder)
        await before.issuer.start()
        let after = try Stage(dataDirectory: folder)
        after.remote.fail("/.well-known/openid-configuration", .connectionRefused)
        #expect(self.kids(after.issuer) == ["one"])
        await after.issuer.start()
        #expect(self.kids(after.issuer) == ["one"])
        let other = try Stage(dataDirectory: folder) { $0.extraJWKSURLs = ["https://id.example/x"] }
        #expect(other.issuer.keys.isEmpty)
        // Their age goes on, too, and ends them.
        #expect(after.remote.keyNews == [KeyNews(usable: 1, rejected: 0, takenAt: after.clock.now)])
        let short = try Stage(dataDirectory: folder) { $0.outageSeconds = 0 }
        short.remote.fail("/.well-known/openid-configuration", .connectionRefused)
        short.clock.advance(by: 3599.5)
        #expect(self.kids(short.issuer) == ["one"])
        short.clock.advance(by: 0.5)
        #expect(short.issuer.keys.isEmpty)
    }

    @Test(arguments: ["", "{", "{}", #"{"issuer":"https://evil.example","taken_at":1,"documents":{}}"#])
    func `a damaged file is as good as none`(text: String) async throws {
        let folder = self.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        await (try Stage(dataDirectory: folder)).issuer.start()
        let files = try FileManager.default.contentsOfDirectory(atPath: folder + "/keys-cache")
        #expect(files.count == 1)
        for file in files {
            try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/keys-cache/\(file)"))
        }
        #expect(try Stage(dataDirectory: folder).issuer.keys.isEmpty)
    }
}
