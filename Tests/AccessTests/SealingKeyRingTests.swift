// The ring of sealing keys, on disk.
import Foundation
import Testing

@testable import Access

struct SealingKeyRingTests {
    let directory = NSTemporaryDirectory() + "gatehouse-keys-" + UUID().uuidString

    private func mode(_ path: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return try #require((attributes[.posixPermissions] as? NSNumber)?.intValue)
    }

    @Test func `a first start makes a folder and a key that nobody else may read`() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let ring = try SealingKeyRing.load(directory, createIfMissing: true, at: 1000)
        #expect(ring.keys.count == 1)
        #expect(try mode(directory) == 0o700)
        let files = try FileManager.default.contentsOfDirectory(atPath: directory)
        #expect(files == ["sealing-1000-\(ring.keys[0].id).key"])
        #expect(try mode("\(directory)/\(files[0])") == 0o600)
        #expect(
            try SealingKeyRing.load(directory, createIfMissing: false, at: 0).keys.map(\.id)
                == ring.keys.map(\.id)
        )
    }

    @Test func `rotation makes the newest key and keeps the last three`() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        var made = [try SealingKeyRing.generate(in: directory, at: 1)]
        for time in 2...5 { made.append(try SealingKeyRing.rotate(in: directory, at: Double(time))) }
        #expect(try SealingKeyRing.list(directory).map(\.id) == made.suffix(3).reversed().map(\.id))
        #expect(try SealingKeyRing.load(directory, createIfMissing: false, at: 0).newest.id == made.last?.id)
    }

    @Test func `a new key is the newest, within one second and when the clock has gone back`() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        for time in [5.0, 5, 5, 3] {
            let made = try SealingKeyRing.rotate(in: directory, at: time)
            #expect(try SealingKeyRing.list(directory).first?.id == made.id)
        }
    }

    @Test func `without a folder or a key there is no ring unless it may be made`() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        #expect(throws: SealingKeyError.noDirectory(directory)) {
            try SealingKeyRing.load(directory, createIfMissing: false, at: 0)
        }
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        #expect(throws: SealingKeyError.noKeys(directory)) {
            try SealingKeyRing.load(directory, createIfMissing: false, at: 0)
        }
    }

    // P8
    @Test func `a key that is damaged or open to everyone is an error`() throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let key = try SealingKeyRing.generate(in: directory, at: 7)
        let path = "\(directory)/sealing-7-\(key.id).key"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        #expect(throws: SealingKeyError.readableByOthers(file: path)) { try SealingKeyRing.list(directory) }
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        #expect(try SealingKeyRing.list(directory).count == 1)
        try "short\n".write(toFile: path, atomically: false, encoding: .utf8)
        #expect(throws: SealingKeyError.malformed(file: path)) { try SealingKeyRing.list(directory) }
        let far = "\(directory)/sealing-9223372036854775807-\(key.id).key"
        try FileManager.default.moveItem(atPath: path, toPath: far)
        try text.write(toFile: far, atomically: false, encoding: .utf8)
        #expect(throws: SealingKeyError.malformed(file: far)) { try SealingKeyRing.list(directory) }
    }
}
