// A folder belongs to one program at a time.
import Glibc
import Testing

@testable import Descriptors

struct FolderClaimTests {
    private func folder() -> String {
        let path = "/tmp/gatehouse-claim-\(UInt64.random(in: .min ... .max))"
        unsafe mkdir(path, 0o700)
        return path
    }

    @Test func `a folder that is claimed cannot be claimed again until the claim ends`() throws {
        let path = self.folder()
        defer { unsafe rmdir(path) }
        var first: FolderClaim? = try FolderClaim(path)
        #expect(first != nil)
        #expect(throws: FolderClaimError.taken) { try FolderClaim(path) }
        first = nil
        _ = try FolderClaim(path)
    }

    @Test func `a claim that is shared lives as long as one of those who share it`() throws {
        let path = self.folder()
        defer { unsafe rmdir(path) }
        var first: FolderClaim? = try FolderClaim(path)
        var shared: FolderClaim? = FolderClaim(sharing: dup(try #require(first).descriptor))
        first = nil
        #expect(throws: FolderClaimError.taken) { try FolderClaim(path) }
        #expect(shared != nil)
        shared = nil
        _ = try FolderClaim(path)
    }

    @Test func `a folder that is not there is no other program's`() {
        #expect(throws: FolderClaimError.unavailable(ENOENT)) { try FolderClaim("/nowhere/at/all") }
    }
}
