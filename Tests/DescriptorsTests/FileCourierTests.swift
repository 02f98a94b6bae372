// Open files that travel over a Unix socket.
import Foundation
import Glibc
import Testing

@testable import Descriptors

struct FileCourierTests {
    /// Both ends of a connection.
    private func pair() throws -> (ours: FileCourier, theirs: CInt) {
        var ends: [CInt] = [-1, -1]
        try #require(unsafe socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0)
        return (FileCourier(adopting: ends[0]), ends[1])
    }

    private func write(_ text: String, to socket: CInt) {
        let octets = Array(text.utf8)
        _ = unsafe Glibc.write(socket, octets, octets.count)
    }

    @Test func `files arrive in their order, with the line that follows, and are those that were sent`()
        throws
    {
        let (ours, theirs) = try self.pair()
        defer { close(theirs) }
        // More than one message carries.
        let pipes = (0..<150).map { _ in Pipe() }
        try FileCourier.send(pipes.map { $0.fileHandleForWriting.fileDescriptor }, over: theirs)
        self.write("two words\n", to: theirs)
        let parcel = try #require(try ours.receive(within: 5000))
        #expect(String(decoding: parcel.line, as: UTF8.self).hasSuffix(" two words"))
        #expect(parcel.files.count == 150)
        for (number, file) in parcel.files.enumerated() { self.write("\(number)", to: file) }
        FileCourier.discard(parcel.files)
        for (number, pipe) in pipes.enumerated() {
            pipe.fileHandleForWriting.closeFile()
            #expect(String(decoding: pipe.fileHandleForReading.availableData, as: UTF8.self) == "\(number)")
        }
    }

    @Test func `a side that closes before its line has sent nothing`() throws {
        let (ours, theirs) = try self.pair()
        let pipe = Pipe()
        try FileCourier.send([pipe.fileHandleForWriting.fileDescriptor], over: theirs)
        close(theirs)
        #expect(try ours.receive(within: 5000) == nil)
        // The copy that came has been closed: the pipe ends with ours.
        pipe.fileHandleForWriting.closeFile()
        let end = pipe.fileHandleForReading.fileDescriptor
        _ = fcntl(end, F_SETFL, O_NONBLOCK)
        var octet: UInt8 = 0
        #expect(unsafe read(end, &octet, 1) == 0)
    }

    @Test func `who is silent is not waited for without end`() throws {
        let (ours, theirs) = try self.pair()
        defer { close(theirs) }
        #expect(throws: CourierError(code: ETIMEDOUT)) { try ours.receive(within: 10) }
    }

    @Test func `nobody listens at a path that is not there, or is too long`() {
        #expect(throws: CourierError(code: ENOENT)) { try FileCourier(connectingTo: "/nowhere/at.sock") }
        let long = "/" + String(repeating: "a", count: 108)
        #expect(throws: CourierError(code: ENAMETOOLONG)) { try FileCourier(connectingTo: long) }
    }

    @Test func `a line that is said arrives`() throws {
        let (ours, theirs) = try self.pair()
        defer { close(theirs) }
        try ours.say("ready")
        var octets = [UInt8](repeating: 0, count: 16)
        let count = unsafe read(theirs, &octets, 16)
        #expect(String(decoding: octets.prefix(count), as: UTF8.self) == "ready\n")
    }

    @Test func `as many files may be open as the hard bound says`() {
        let limit = OpenFileLimit.raise()
        #expect(limit.now >= limit.before)
        #expect(OpenFileLimit.raise() == OpenFileLimit(before: limit.now, now: limit.now))
    }
}
