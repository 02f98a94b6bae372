// The folder of our own keys: what is read from it and written into it.
import Cryptography
import Descriptors
import FoundationEssentials

/// Why a key of ours cannot be read or kept.
package enum KeyFolderError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A file is not what we wrote.
    case malformed(file: String)
    /// Others on this machine may read a key.
    case readableByOthers(file: String)
    /// The folder or a file cannot be read or written.
    case inaccessible(String)
    /// There is no randomness: no key is made without it.
    case noRandomness
    /// So many keys are published that one more would help nobody.
    case tooMany(Int)

    package var description: String {
        switch self {
        case .malformed(let file): "\(file) is not a signing key"
        case .readableByOthers(let file): "\(file) may be read by everyone; make it 0600"
        case .inaccessible(let path): "\(path) cannot be read or written"
        case .noRandomness: "the system gives no random numbers"
        case .tooMany(let count):
            "\(count) signing keys are still published; wait until the oldest is over ('gatehouse keys list')"
        }
    }
}

/// Files of one kind of key in a folder that only we read.
struct KeyFolder {
    let path: String

    /// Whether it is there.
    var exists: Bool { FileManager.default.fileExists(atPath: path) }

    /// Makes it (0700) if it is not there.
    func make() throws(KeyFolderError) {
        guard !exists else { return }
        do {
            try FileManager.default.createDirectory(
                atPath: path,
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700]
            )
        } catch { throw .inaccessible(path) }
    }

    /// The names of the files that begin and end so; drafts are none of them.
    func names(prefix: String, suffix: String) throws(KeyFolderError) -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: path)
                .filter { $0.hasPrefix(prefix) && $0.hasSuffix(suffix) }
        } catch { throw .inaccessible(path) }
    }

    /// What a file holds, which nobody else may read.
    func read(_ name: String) throws(KeyFolderError) -> Secret {
        let file = "\(path)/\(name)"
        guard let data = FileManager.default.contents(atPath: file),
            let attributes = try? FileManager.default.attributesOfItem(atPath: file),
            let mode = Self.permissions(attributes[.posixPermissions])
        else { throw .inaccessible(file) }
        guard mode & 0o007 == 0 else { throw .readableByOthers(file: file) }
        return Secret([UInt8](data))
    }

    /// Writes a file (0600), whole or not at all.
    func write(_ secret: Secret, to name: String) throws(KeyFolderError) {
        do throws(DurableFileError) {
            try DurableFile.write(secret.copy(), to: "\(path)/\(name)", draft: "\(path)/.\(name).new")
        } catch { throw .inaccessible("\(path)/\(name)") }
    }

    /// Removes a file.
    func remove(_ name: String) throws(KeyFolderError) {
        do throws(DurableFileError) { try DurableFile.remove("\(path)/\(name)") } catch {
            throw .inaccessible("\(path)/\(name)")
        }
    }

    /// The mode among a file's attributes, which Foundation boxes on some systems and not on others.
    private static func permissions(_ attribute: Any?) -> Int? {
        (attribute as? Int) ?? (attribute as? UInt).map { Int($0) }
    }
}
