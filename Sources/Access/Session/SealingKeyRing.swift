// The keys that seal our cookies: in files, newest first.
package import Cryptography
import FoundationEssentials
import JOSE

/// One key of the ring.
package struct SealingKey: Sendable {
    /// First eight hexadecimal digits of the key's SHA-256: names the key in a cookie.
    package let id: String
    /// Seconds since 1970 at which it was made.
    package let createdAt: Double
    /// The octets that `id` spells.
    let idOctets: [UInt8]
    /// The key's 32 octets.
    let secret: Secret

    init(secret: Secret, createdAt: Double) throws(CryptoError) {
        self.secret = secret
        self.createdAt = createdAt
        let digest = try secret.withBytes { octets throws(CryptoError) in try Digest.sha256.hash(octets) }
        idOctets = Array(digest[..<4])
        id = Hexadecimal.encode(digest[..<4])
    }
}

/// Why the keys cannot be used.
package enum SealingKeyError: Error, Sendable, Equatable, CustomStringConvertible {
    /// There is no folder, and none may be made.
    case noDirectory(String)
    /// There is no key in the folder.
    case noKeys(String)
    /// A file is not what we wrote.
    case malformed(file: String)
    /// Others on this machine may read a key.
    case readableByOthers(file: String)
    /// The folder or a file cannot be read or written.
    case inaccessible(String)
    /// There is no randomness: nothing is sealed without it.
    case noRandomness

    package var description: String {
        switch self {
        case .noDirectory(let path): "the folder \(path) for keys does not exist"
        case .noKeys(let path): "there is no sealing key in \(path); make one with 'gatehouse keys generate'"
        case .malformed(let file): "\(file) is not a sealing key"
        case .readableByOthers(let file): "\(file) may be read by everyone; make it 0600"
        case .inaccessible(let path): "\(path) cannot be read or written"
        case .noRandomness: "the system gives no random numbers"
        }
    }
}

/// The keys that seal our cookies: the newest seals, all of them open.
package struct SealingKeyRing: Sendable {
    /// The keys, newest first; never empty.
    package let keys: [SealingKey]

    /// A ring of one key that is derived from a secret which the user wrote.
    package init(secret: String) throws(CryptoError) {
        let octets = try HKDF.sha256(Secret(utf8: secret), info: "gatehouse session_secret", count: 32)
        keys = [try SealingKey(secret: octets, createdAt: 0)]
    }

    /// A ring of these keys, for tests and for what is not kept.
    package init(octets: [[UInt8]]) throws(CryptoError) {
        precondition(!octets.isEmpty && octets.allSatisfy { $0.count == 32 }, "a sealing key has 32 octets")
        var keys: [SealingKey] = []
        for octets in octets { keys.append(try SealingKey(secret: Secret(octets), createdAt: 0)) }
        self.keys = keys
    }

    private init(keys: [SealingKey]) {
        self.keys = keys
    }

    /// The key that seals.
    var newest: SealingKey { keys[0] }

    /// The key that is called `id`.
    func key(_ id: String) -> SealingKey? { keys.first { $0.id == id } }

    // MARK: Files

    /// How many keys stay in the folder when a new one is made: the newest, and those that may still open.
    package static let kept = 3

    /// Reads the keys in `directory`.
    ///
    /// - Parameters:
    ///   - createIfMissing: whether to make the folder (0700) and a first key (0600).
    ///   - now: seconds since 1970, noted as the first key's age.
    package static func load(
        _ directory: String,
        createIfMissing: Bool,
        at now: Double
    ) throws(SealingKeyError) -> SealingKeyRing {
        let files = FileManager.default
        if !files.fileExists(atPath: directory) {
            guard createIfMissing else { throw .noDirectory(directory) }
        }
        var keys = files.fileExists(atPath: directory) ? try list(directory) : []
        if keys.isEmpty {
            guard createIfMissing else { throw .noKeys(directory) }
            keys = [try generate(in: directory, at: now)]
        }
        return SealingKeyRing(keys: keys)
    }

    /// The keys in `directory`, newest first; none when nothing is there.
    package static func list(_ directory: String) throws(SealingKeyError) -> [SealingKey] {
        let names: [String]
        do { names = try FileManager.default.contentsOfDirectory(atPath: directory) } catch {
            throw .inaccessible(directory)
        }
        var keys: [SealingKey] = []
        for name in names where name.hasPrefix("sealing-") && name.hasSuffix(".key") {
            keys.append(try read("\(directory)/\(name)", name: name))
        }
        return keys.sorted { ($0.createdAt, $0.id) > ($1.createdAt, $1.id) }
    }

    /// Makes a key and puts it into `directory`, which is made (0700) if it is not there.
    ///
    /// It is younger than every other key there, by a second at least, so that it is the one that seals.
    package static func generate(in directory: String, at now: Double) throws(SealingKeyError) -> SealingKey {
        let files = FileManager.default
        let youngest = files.fileExists(atPath: directory) ? try list(directory).first : nil
        let key: SealingKey
        do throws(CryptoError) {
            let time = max(now.rounded(.down), (youngest?.createdAt ?? 0) + 1)
            key = try SealingKey(secret: .random(32), createdAt: time)
        } catch {
            throw .noRandomness
        }
        do {
            if !files.fileExists(atPath: directory) {
                try files.createDirectory(
                    atPath: directory,
                    withIntermediateDirectories: true,
                    attributes: [.posixPermissions: 0o700]
                )
            }
        } catch { throw .inaccessible(directory) }
        let name = "sealing-\(Int64(key.createdAt))-\(key.id).key"
        let text = Secret(utf8: Base64URL.encode(key.secret.copy()) + "\n")
        do throws(KeyFolderError) { try KeyFolder(path: directory).write(text, to: name) } catch {
            throw .inaccessible("\(directory)/\(name)")
        }
        return key
    }

    /// Makes a new key and removes those that are too old to open anything.
    ///
    /// - Returns: the new key.
    package static func rotate(in directory: String, at now: Double) throws(SealingKeyError) -> SealingKey {
        let key = try generate(in: directory, at: now)
        for old in try list(directory).dropFirst(kept) {
            let name = "sealing-\(Int64(old.createdAt))-\(old.id).key"
            do throws(KeyFolderError) { try KeyFolder(path: directory).remove(name) } catch {
                throw .inaccessible("\(directory)/\(name)")
            }
        }
        return key
    }

    /// The year 10000: a file's name that says more is no key's.
    private static let latest: Int64 = 253_402_300_800

    private static func read(_ path: String, name: String) throws(SealingKeyError) -> SealingKey {
        let files = FileManager.default
        guard let data = files.contents(atPath: path),
            let attributes = try? files.attributesOfItem(atPath: path),
            let mode = permissions(attributes[.posixPermissions])
        else { throw .inaccessible(path) }
        guard mode & 0o007 == 0 else { throw .readableByOthers(file: path) }
        let parts = name.dropLast(".key".count).split(separator: "-")
        let text = String(decoding: data, as: UTF8.self).filter { $0 != "\n" }
        guard parts.count == 3, let createdAt = Int64(parts[1]), (0..<latest).contains(createdAt),
            let secret = Base64URL.decode(text), secret.count == 32
        else { throw .malformed(file: path) }
        guard let key = try? SealingKey(secret: Secret(secret), createdAt: Double(createdAt)),
            key.id == parts[2]
        else { throw .malformed(file: path) }
        return key
    }

    /// The mode among a file's attributes, which Foundation boxes on some systems and not on others.
    private static func permissions(_ attribute: Any?) -> Int? {
        (attribute as? Int) ?? (attribute as? UInt).map { Int($0) }
    }
}
