// The keys that sign: published before they sign, and until what they signed has ended.
import Cryptography
import Foundation
import JOSE
import JSON
import Testing

@testable import Access

struct SigningKeyRingTests {
    let directory = NSTemporaryDirectory() + "gatehouse-signing-" + UUID().uuidString

    private static func key(_ time: Double) throws -> Access.SigningKey {
        try Access.SigningKey(.generate(.elliptic(.p256)), createdAt: time)
    }

    /// The states of keys of these ages at a moment, the oldest first.
    private static func states(_ ages: [Double], at now: Double) throws -> [SigningKeyRing.State] {
        try SigningKeyRing(ages.map { try key($0) }).states(at: now).map(\.state)
    }

    private static let old = 1000.0
    private static let new = 100_000.0
    private static let turn = new + SigningKeyRing.leadSeconds
    private static let end = turn + SigningKeyRing.longestSeconds + SigningKeyRing.leewaySeconds

    @Test(arguments: [
        (old, [SigningKeyRing.State.signs, .waits(until: turn)]),
        (new, [.signs, .waits(until: turn)]),
        (turn - 1, [.signs, .waits(until: turn)]),
        (turn, [.verifies(until: end), .signs]),
        (end - 1, [.verifies(until: end), .signs]),
        (end, [.over, .signs]),
    ])
    func `a rotation is a matter of time alone`(now: Double, states: [SigningKeyRing.State]) throws {
        #expect(try Self.states([Self.old, Self.new], at: now) == states)
    }

    @Test func `a draft that a crash left behind goes after a minute, and no key does`() throws {
        let files = FileManager.default
        try files.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? files.removeItem(atPath: directory) }
        for name in [".sealing-1-a.key.new", "sealing-1-b.key", "other.new"] {
            #expect(files.createFile(atPath: "\(directory)/\(name)", contents: Data([1])))
        }
        let now = Date().timeIntervalSince1970
        Drafts.remove(from: directory, at: now + 30)
        #expect(try files.contentsOfDirectory(atPath: directory).count == 3)
        Drafts.remove(from: directory, at: now + 90)
        #expect(try Set(files.contentsOfDirectory(atPath: directory)) == ["sealing-1-b.key", "other.new"])
    }

    @Test func `a first key signs at once, and whatever the clock says`() throws {
        #expect(try Self.states([1000], at: 1000) == [.signs])
        #expect(try Self.states([1000], at: 0) == [.signs])
        #expect(try Self.states([1000, 1001], at: 0) == [.signs, .waits(until: 1601)])
    }

    @Test func `others have had twice the time that they may keep the set before a key signs`() {
        #expect(SigningKeyRing.leadSeconds >= 2 * SigningKeyRing.cacheSeconds)
        #expect(SignedIdentityChoice.lifetimes.upperBound <= SigningKeyRing.longestSeconds)
    }

    @Test func `a second rotation within the first leaves one key to sign`() throws {
        let ages = [1000.0, 2000, 2300]
        #expect(try Self.states(ages, at: 2599).filter { $0 == .signs }.count == 1)
        #expect(try Self.states(ages, at: 2700)[1] == .signs)
        #expect(try Self.states(ages, at: 2900)[2] == .signs)
    }

    @Test func `a first start makes a key that nobody else may read, and later ones find it`() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let ring = try SigningKeyRing.load(directory, at: 1000)
        let files = try FileManager.default.contentsOfDirectory(atPath: directory)
        #expect(files == ["signing-1000-\(ring.keys[0].id).pem"])
        for (path, mode) in [(directory, 0o700), ("\(directory)/\(files[0])", 0o600)] {
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == mode)
        }
        #expect(try SigningKeyRing.load(directory, at: 2000).keys.map(\.id) == ring.keys.map(\.id))
        #expect(try SigningKeyRing.list(directory)?.keys.map(\.createdAt) == [1000])
    }

    @Test func `rotation keeps what is published and removes what is over`() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let first = try SigningKeyRing.load(directory, at: 1000).keys[0]
        let (second, time) = try SigningKeyRing.rotate(in: directory, at: 2000)
        #expect(time == 2600)
        #expect(try SigningKeyRing.list(directory)?.keys.map(\.id) == [first.id, second.id])
        // Published: it may still be asked for.
        let (third, _) = try SigningKeyRing.rotate(in: directory, at: 6499)
        #expect(try SigningKeyRing.list(directory)?.keys.map(\.id) == [first.id, second.id, third.id])
        let (fourth, _) = try SigningKeyRing.rotate(in: directory, at: 6500)
        #expect(try SigningKeyRing.list(directory)?.keys.map(\.id) == [second.id, third.id, fourth.id])
    }

    @Test func `a new key is the youngest, within one second and when the clock has gone back`() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        for time in [5.0, 5, 5, 3] {
            let made = try SigningKeyRing.rotate(in: directory, at: time).key
            #expect(try SigningKeyRing.list(directory)?.keys.last?.id == made.id)
        }
    }

    @Test func `no more keys are published than others may have to take`() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        for time in 1...8 { _ = try SigningKeyRing.rotate(in: directory, at: Double(time)) }
        #expect(throws: KeyFolderError.tooMany(8)) { try SigningKeyRing.rotate(in: directory, at: 9) }
        #expect(try SigningKeyRing.list(directory)?.keys.count == 8)
    }

    // P8, D13
    @Test func `a key that is damaged, misnamed or open to everyone is an error, a draft is nothing`() throws
    {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let key = try SigningKeyRing.load(directory, at: 7).keys[0]
        let path = "\(directory)/signing-7-\(key.id).pem"
        try Data("half a k".utf8).write(to: URL(filePath: "\(directory)/.signing-9-0000000000000000.pem.new"))
        #expect(try SigningKeyRing.list(directory)?.keys.count == 1)
        let text = try Data(contentsOf: URL(filePath: path))
        let other = "\(directory)/signing-8-0000000000000000.pem"
        try text.write(to: URL(filePath: other))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: other)
        #expect(throws: KeyFolderError.malformed(file: other)) { try SigningKeyRing.list(directory) }
        try FileManager.default.removeItem(atPath: other)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        #expect(throws: KeyFolderError.readableByOthers(file: path)) { try SigningKeyRing.list(directory) }
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        try text.prefix(text.count / 2).write(to: URL(filePath: path))
        #expect(throws: KeyFolderError.malformed(file: path)) { try SigningKeyRing.list(directory) }
    }

    @Test func `what is published has the public halves alone, and verifies what is signed`() throws {
        let keys = SigningKeys(
            SigningKeyRing([try Self.key(Self.old), try Self.key(Self.new)]),
            issuer: "https://gate.example"
        )
        let published = try JWKSet(parsing: keys.document(at: Self.new), from: .network)
        #expect(published.keys.count == 2 && published.rejected.isEmpty)
        #expect(!String(decoding: keys.document(at: Self.new), as: UTF8.self).contains("\"d\""))
        for now in [Self.new, Self.turn, Self.end] {
            let token = try keys.sign(["exp": .number(now + 60)], type: "JWT", at: now)
            // Whoever took the set before the new key signed has it.
            let verified = try TokenVerifier.verify(
                Array(token.utf8),
                keys: published,
                expecting: TokenExpectations(issuers: ["https://gate.example"]),
                at: NumericDate(seconds: now)
            )
            #expect(verified.claims["iss"] == "https://gate.example")
        }
        #expect(try JWKSet(parsing: keys.document(at: Self.end), from: .network).keys.count == 1)
    }
}
