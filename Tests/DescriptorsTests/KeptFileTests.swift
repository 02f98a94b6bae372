// A file that only grows, and what of it is read.
import Glibc
import Testing

@testable import Descriptors

struct KeptFileTests {
    private func folder() -> String {
        let path = "/tmp/gatehouse-kept-\(UInt64.random(in: .min ... .max))"
        unsafe mkdir(path, 0o700)
        return path
    }

    @Test func `two who write add to each other's lines`() throws {
        let folder = self.folder()
        let (one, other) = (try KeptFile(folder + "/f"), try KeptFile(folder + "/f"))
        try one.append(Array("first\n".utf8))
        try other.append(Array("second\n".utf8))
        try one.append(Array("third\n".utf8))
        try one.sync()
        #expect(try other.size() == 19)
        #expect(try other.read(from: 6, upTo: 7) == Array("second\n".utf8))
        #expect(try other.read(from: 6, upTo: 1000) == Array("second\nthird\n".utf8))
        #expect(try other.read(from: 19, upTo: 10) == [])
        #expect(one.identity == other.identity)
        var found = stat()
        #expect(unsafe stat(folder + "/f", &found) == 0)
        #expect(found.st_mode & 0o777 == 0o600)
    }

    @Test func `a file that takes another's place is another file`() throws {
        let folder = self.folder()
        let old = try KeptFile(folder + "/f")
        try old.append(Array("old".utf8))
        let new = try KeptFile(folder + "/f.new", isNew: true)
        try new.append(Array("new".utf8))
        #expect(KeptFile.identity(at: folder + "/f") == old.identity)
        try KeptFile.replace(folder + "/f", by: folder + "/f.new", in: folder)
        #expect(KeptFile.identity(at: folder + "/f") == new.identity)
        #expect(KeptFile.identity(at: folder + "/f.new") == nil)
        #expect(try old.read(from: 0, upTo: 9) == Array("old".utf8))
    }

    @Test func `a link is not followed, and a folder is no file`() throws {
        let folder = self.folder()
        unsafe symlink("/tmp", folder + "/link")
        #expect(throws: KeptFileError(code: ELOOP)) { try KeptFile(folder + "/link") }
        #expect(throws: KeptFileError(code: EISDIR)) { try KeptFile(folder) }
        #expect(throws: KeptFileError(code: ENOENT)) { try KeptFile(folder + "/no/where") }
    }

    @Test func `a full disk is an error`() throws {
        #expect(throws: KeptFileError(code: ENOSPC)) { try KeptFile("/dev/full").append([1]) }
    }
}
