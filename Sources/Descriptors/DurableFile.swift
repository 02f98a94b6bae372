// A file that is there whole or not at all, whatever happens while it is written.
import Glibc

/// Why a file could not be kept; the system's number for the reason.
package struct DurableFileError: Error, Sendable, Equatable {
    package let code: CInt
}

/// Writes files that a crash leaves old or new, never half.
package enum DurableFile {
    /// Writes `octets` to `path`, which only the owner may read (0600).
    ///
    /// They go into `draft` beside it, on the same file system, and are on the disk before the name changes; the name is on
    /// the disk when this returns. A draft that an earlier crash left behind is replaced.
    package static func write(
        _ octets: [UInt8],
        to path: String,
        draft: String
    ) throws(DurableFileError) {
        let file = unsafe open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw DurableFileError(code: errno) }
        do throws(DurableFileError) {
            try Self.fill(file, octets)
        } catch {
            close(file)
            _ = unsafe unlink(draft)
            throw error
        }
        guard close(file) == 0, unsafe Glibc.rename(draft, path) == 0 else {
            let code = errno
            _ = unsafe unlink(draft)
            throw DurableFileError(code: code)
        }
        try Self.settle(Self.folder(of: path))
    }

    /// Removes the file at `path`, for good.
    package static func remove(_ path: String) throws(DurableFileError) {
        guard unsafe unlink(path) == 0 || errno == ENOENT else { throw DurableFileError(code: errno) }
        try Self.settle(Self.folder(of: path))
    }

    private static func fill(_ file: CInt, _ octets: [UInt8]) throws(DurableFileError) {
        // An old draft may have been open to others.
        guard fchmod(file, 0o600) == 0 else { throw DurableFileError(code: errno) }
        var rest = octets[...]
        while !rest.isEmpty {
            let written = unsafe rest.withUnsafeBytes { unsafe Glibc.write(file, $0.baseAddress, $0.count) }
            guard written > 0 || errno == EINTR else { throw DurableFileError(code: errno) }
            rest = rest.dropFirst(max(0, written))
        }
        guard fsync(file) == 0 else { throw DurableFileError(code: errno) }
    }

    /// Puts the names in a folder on the disk.
    private static func settle(_ folder: String) throws(DurableFileError) {
        let file = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard file >= 0 else { throw DurableFileError(code: errno) }
        defer { close(file) }
        guard fsync(file) == 0 else { throw DurableFileError(code: errno) }
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
