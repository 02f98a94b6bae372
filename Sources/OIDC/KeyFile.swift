// An issuer's last good keys on disk, for a start without the issuer.
import Cryptography
import Foundation
import JSON

/// One file of `data_dir/keys-cache`: public keys and where they came from.
struct KeyFile: Sendable {
    /// What a file holds.
    struct Content: Sendable {
        let documents: [String: JSONValue]
        let takenAt: Double
        /// How long they were good for from then on, in seconds.
        let lifetime: Double
    }

    /// The greatest file: several sets of the greatest size.
    private static let maximumBytes = 16 << 20

    private let folder: URL
    private let name: String
    private let issuer: String

    /// The file of `settings` in `dataDirectory`; nil if its name cannot be made.
    init?(_ settings: IssuerSettings, in dataDirectory: String) {
        let places = [settings.issuer, settings.jwksEndpoint ?? ""] + settings.extraJWKSURLs
        // Each part with its length, so that no two lists have one name.
        let text = places.map { "\($0.utf8.count):\($0)" }.joined()
        guard let digest = try? Digest.sha256.hash(utf8: text) else { return nil }
        self.folder = URL(fileURLWithPath: dataDirectory).appendingPathComponent("keys-cache")
        self.name = digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + ".json"
        self.issuer = settings.issuer
    }

    /// What was kept; nil if there is nothing that can be read, or it is another issuer's.
    func read() -> Content? {
        guard let data = try? Data(contentsOf: self.folder.appendingPathComponent(self.name)),
            data.count <= Self.maximumBytes,
            let value = try? JSONValue(
                parsing: [UInt8](data),
                limits: JSONLimits(maximumBytes: Self.maximumBytes, maximumDepth: 66)
            ),
            value["issuer"]?.string == self.issuer, let takenAt = value["taken_at"]?.number,
            let documents = value["documents"]?.object, !documents.isEmpty
        else { return nil }
        let lifetime = value["lifetime"]?.number ?? KeySchedule.usualLifetime
        return Content(documents: documents, takenAt: takenAt, lifetime: lifetime)
    }

    /// Keeps public documents; a failure to write loses nothing but the next start's comfort.
    func write(_ documents: [String: JSONValue], at time: Double, lifetime: Double) {
        let fetched = documents.filter { !$0.key.hasPrefix("file:") }
        guard !fetched.isEmpty else { return }
        let value: JSONValue = [
            "issuer": .string(self.issuer), "taken_at": .number(time), "lifetime": .number(lifetime),
            "documents": .object(fetched),
        ]
        try? FileManager.default.createDirectory(
            at: self.folder,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
        try? Data(value.serialized()).write(
            to: self.folder.appendingPathComponent(self.name),
            options: .atomic
        )
    }

    /// Reads the key set of a `file:` URL that the configuration names.
    static func document(at url: String) throws(OIDCError) -> JSONValue {
        guard let url = URL(string: url), url.isFileURL, let data = try? Data(contentsOf: url),
            let value = try? JSONValue(parsing: [UInt8](data)), value.object != nil
        else { throw .settings("a key file cannot be read as a JSON object") }
        return value
    }
}
