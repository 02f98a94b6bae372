// A file is there whole or not at all.
import Glibc
import Testing

@testable import Descriptors

struct DurableFileTests {
    private let folder = "/tmp/gatehouse-durable-\(UInt64.random(in: .min ... .max))"

    private func octets(_ path: String) -> [UInt8]? {
        let file = unsafe open(path, O_RDONLY)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var octets = [UInt8](repeating: 0, count: 1 << 16)
        let count = unsafe octets.withUnsafeMutableBytes { unsafe read(file, $0.baseAddress, $0.count) }
        return Array(octets.prefix(max(0, count)))
    }

    private func mode(_ path: String) -> mode_t? {
        var facts = stat()
        guard unsafe stat(path, &facts) == 0 else { return nil }
        return facts.st_mode & 0o777
    }

    @Test func `a file is written for its owner alone, and its draft is gone`() throws {
        unsafe mkdir(self.folder, 0o700)
        let path = "\(self.folder)/a"
        try DurableFile.write([1, 2, 3], to: path, draft: "\(path).new")
        #expect(self.octets(path) == [1, 2, 3])
        #expect(self.mode(path) == 0o600)
        #expect(self.mode("\(path).new") == nil)
        try DurableFile.remove(path)
        #expect(self.octets(path) == nil)
        try DurableFile.remove(path)
        unsafe rmdir(self.folder)
    }

    @Test func `a draft that a crash left behind, open to all and longer, leaves nothing in the file`() throws
    {
        unsafe mkdir(self.folder, 0o700)
        let (path, draft) = ("\(self.folder)/a", "\(self.folder)/a.new")
        let file = unsafe creat(draft, 0o666)
        fchmod(file, 0o666)
        _ = unsafe [UInt8](repeating: 9, count: 100).withUnsafeBytes {
            unsafe write(file, $0.baseAddress, 100)
        }
        close(file)
        try DurableFile.write([7], to: path, draft: draft)
        #expect(self.octets(path) == [7])
        #expect(self.mode(path) == 0o600)
        try DurableFile.remove(path)
        unsafe rmdir(self.folder)
    }

    @Test func `where nothing can be written the old file stays, and it is said why`() throws {
        #expect(throws: DurableFileError(code: ENOENT)) {
            try DurableFile.write([1], to: "\(self.folder)/none/a", draft: "\(self.folder)/none/a.new")
        }
        unsafe mkdir(self.folder, 0o700)
        let path = "\(self.folder)/a"
        try DurableFile.write([1], to: path, draft: "\(path).new")
        // A draft that leads elsewhere is not followed.
        unsafe symlink("/tmp", "\(path).new")
        #expect(throws: DurableFileError.self) { try DurableFile.write([2], to: path, draft: "\(path).new") }
        #expect(self.octets(path) == [1])
        unsafe unlink("\(path).new")
        try DurableFile.remove(path)
        unsafe rmdir(self.folder)
    }
}
