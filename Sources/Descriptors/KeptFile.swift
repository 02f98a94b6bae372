// A file that only grows, line by line, and that several programs may write to at once.
import CDescriptors
import Glibc

/// Why a kept file cannot be read or written.
package struct KeptFileError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The system's number for the reason.
    package let code: CInt

    /// The system's words for it.
    package var description: String { unsafe String(cString: strerror(self.code)) }
}

/// An open file whose writes go to its end, whoever else writes; closed with its last owner.
///
/// What `sync` has returned for outlives a power cut. Calls wait for the disk: they belong beside the event loops.
package final class KeptFile: Sendable {
    /// Tells one file from another, whatever it is called by now.
    package struct Identity: Sendable, Equatable {
        private let device: UInt64
        private let number: UInt64

        fileprivate init(_ found: stat) {
            self.device = UInt64(found.st_dev)
            self.number = UInt64(found.st_ino)
        }
    }

    private let descriptor: CInt
    package let identity: Identity

    /// Opens the file at `path`, or makes one that is its owner's alone.
    ///
    /// - Parameter isNew: whether a file that is there already is emptied first.
    package init(_ path: String, isNew: Bool = false) throws(KeptFileError) {
        let flags = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (isNew ? O_TRUNC : 0)
        let descriptor = unsafe open(path, flags, 0o600)
        guard descriptor >= 0 else { throw KeptFileError(code: errno) }
        var found = stat()
        guard unsafe fstat(descriptor, &found) == 0 else {
            let code = errno
            close(descriptor)
            throw KeptFileError(code: code)
        }
        self.descriptor = descriptor
        self.identity = Identity(found)
    }

    deinit { close(self.descriptor) }

    /// Which file is at `path` now; nil for none.
    package static func identity(at path: String) -> Identity? {
        var found = stat()
        return unsafe lstat(path, &found) == 0 ? Identity(found) : nil
    }

    /// Removes what was left behind at `path`, if anything is there.
    package static func remove(_ path: String) { unsafe unlink(path) }

    /// How long the file is now, in octets.
    package func size() throws(KeptFileError) -> Int {
        var found = stat()
        guard unsafe fstat(self.descriptor, &found) == 0 else { throw KeptFileError(code: errno) }
        return Int(found.st_size)
    }

    /// Reads what is there from `offset` on, at most `limit` octets.
    package func read(from offset: Int, upTo limit: Int) throws(KeptFileError) -> [UInt8] {
        var octets = [UInt8](repeating: 0, count: limit)
        var count = 0
        while count < limit {
            let got = unsafe octets.withUnsafeMutableBytes { space in
                unsafe pread(
                    self.descriptor,
                    space.baseAddress?.advanced(by: count),
                    limit - count,
                    off_t(offset + count)
                )
            }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw KeptFileError(code: errno) }
            guard got > 0 else { break }
            count += got
        }
        octets.removeLast(limit - count)
        return octets
    }

    /// Writes at the end; what was begun may be there in part when it throws.
    package func append(_ octets: [UInt8]) throws(KeptFileError) {
        var written = 0
        while written < octets.count {
            let got = unsafe octets.withUnsafeBytes { space in
                unsafe Glibc.write(
                    self.descriptor,
                    space.baseAddress?.advanced(by: written),
                    octets.count - written
                )
            }
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { throw KeptFileError(code: got < 0 ? errno : ENOSPC) }
            written += got
        }
    }

    /// Returns when what was written is on the disk.
    package func sync() throws(KeptFileError) {
        guard fsync(self.descriptor) == 0 else { throw KeptFileError(code: errno) }
    }

    /// Gives this file the name of another, at once, and keeps that on the disk too.
    ///
    /// - Parameters:
    ///   - path: what it is called so far.
    ///   - folder: the one that holds both.
    package static func replace(_ other: String, by path: String, in folder: String) throws(KeptFileError) {
        guard unsafe rename(path, other) == 0 else { throw KeptFileError(code: errno) }
        let directory = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw KeptFileError(code: errno) }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw KeptFileError(code: errno) }
    }
}
