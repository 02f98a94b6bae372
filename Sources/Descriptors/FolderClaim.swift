// The claim to a folder: at most one program has it at a time.
import Glibc

/// Why a folder cannot be claimed.
package enum FolderClaimError: Error, Sendable, Equatable {
    /// Another program has it.
    case taken
    /// The folder or its file system knows no claims; the system's number for the reason.
    case unavailable(CInt)
}

/// An exclusive lock on a folder, which ends with the last program that holds the open file.
package final class FolderClaim: Sendable {
    /// The open file that bears the lock; whoever is sent it shares the claim.
    package let descriptor: CInt

    /// Claims the folder at `path`.
    package init(_ path: String) throws(FolderClaimError) {
        let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unavailable(errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            throw code == EWOULDBLOCK ? .taken : .unavailable(code)
        }
        self.descriptor = descriptor
    }

    /// Shares the claim of the program that sent its open file.
    package init(sharing descriptor: CInt) { self.descriptor = descriptor }

    deinit { close(self.descriptor) }

    /// Gives a file another name at once, whether or not a file of that name is there.
    package static func rename(_ path: String, to other: String) -> Bool {
        unsafe Glibc.rename(path, other) == 0
    }
}
