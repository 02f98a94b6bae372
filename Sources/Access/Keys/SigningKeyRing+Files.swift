// The signing keys on disk: read, made, rotated.
import Cryptography

extension SigningKeyRing {
    private static let prefix = "signing-"
    private static let suffix = ".pem"
    /// The year 10000: a file's name that says more is no key's.
    private static let latest: Int64 = 253_402_300_800

    /// Reads the keys in `directory`, and makes the folder (0700) and a first key (0600) where there are none.
    ///
    /// - Parameter now: seconds since 1970, noted as the first key's age.
    package static func load(_ directory: String, at now: Double) throws(KeyFolderError) -> SigningKeyRing {
        try KeyFolder(path: directory).make()
        if let ring = try list(directory) { return ring }
        _ = try make(in: directory, after: nil, at: now)
        // Another program may have made one in the same moment: both count.
        guard let ring = try list(directory) else { throw .inaccessible(directory) }
        return ring
    }

    /// The keys in `directory`; nil if it has none.
    package static func list(_ directory: String) throws(KeyFolderError) -> SigningKeyRing? {
        let folder = KeyFolder(path: directory)
        guard folder.exists else { return nil }
        var keys: [SigningKey] = []
        for name in try folder.names(prefix: prefix, suffix: suffix) { keys.append(try read(name, folder)) }
        return keys.isEmpty ? nil : SigningKeyRing(keys)
    }

    /// Publishes a new key, which signs after `leadSeconds`, and removes those that are over.
    ///
    /// - Returns: the new key, and when it begins to sign.
    package static func rotate(
        in directory: String,
        at now: Double
    ) throws(KeyFolderError) -> (key: SigningKey, signsFrom: Double) {
        guard let ring = try list(directory) else {
            try KeyFolder(path: directory).make()
            return (try make(in: directory, after: nil, at: now), now)
        }
        let published = ring.published(at: now)
        guard published.count < maximumPublished else { throw .tooMany(published.count) }
        let key = try make(in: directory, after: ring.keys.last, at: now)
        for old in ring.keys where !published.contains(where: { $0.id == old.id }) {
            try KeyFolder(path: directory).remove(name(of: old))
        }
        return (key, key.createdAt + leadSeconds)
    }

    private static func make(
        in directory: String,
        after youngest: SigningKey?,
        at now: Double
    ) throws(KeyFolderError) -> SigningKey {
        let time = max(now.rounded(.down), (youngest?.createdAt ?? 0) + 1)
        let (key, text): (SigningKey, Secret)
        do throws(CryptoError) {
            let made = try PrivateKey.generate(.elliptic(.p256))
            (key, text) = (try SigningKey(made, createdAt: time), try made.pem())
        } catch { throw .noRandomness }
        try KeyFolder(path: directory).write(text, to: name(of: key))
        return key
    }

    private static func name(of key: SigningKey) -> String {
        "\(prefix)\(Int64(key.createdAt))-\(key.id)\(suffix)"
    }

    private static func read(_ name: String, _ folder: KeyFolder) throws(KeyFolderError) -> SigningKey {
        let text = try folder.read(name)
        let parts = name.dropLast(suffix.count).split(separator: "-")
        guard parts.count == 3, let createdAt = Int64(parts[1]), (0..<latest).contains(createdAt),
            let key = try? SigningKey(PrivateKey(pem: text), createdAt: Double(createdAt)),
            key.id == parts[2]
        else { throw .malformed(file: "\(folder.path)/\(name)") }
        return key
    }
}
