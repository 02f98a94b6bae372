// A Unix socket by which open files travel from one program to another.
import CDescriptors
import Glibc

/// Why open files did not travel.
package struct CourierError: Error, Sendable, Equatable {
    /// The system's number for the reason.
    package let code: CInt
}

/// What came over a socket: a line of text, and the open files that were sent before it.
package struct Parcel: Sendable, Equatable {
    /// The line without its end.
    package let line: [UInt8]
    /// In the order in which they were sent; whoever takes them closes them.
    package let files: [CInt]
}

/// The receiving end; every call waits, at most as long as it is told.
///
/// Only this end is ours alone: the sending one is a connection of an event loop, borrowed for one call.
package final class FileCourier: Sendable {
    /// A line longer than this is no line of ours.
    private static let lineLimit = 1 << 20
    private let socket: CInt

    /// Connects to whoever listens at `path`.
    package init(connectingTo path: String) throws(CourierError) {
        let made = unsafe descriptors_connect(path)
        guard made >= 0 else { throw CourierError(code: -made) }
        self.socket = made
    }

    /// Takes a connected socket as it is.
    init(adopting socket: CInt) { self.socket = socket }

    deinit { close(self.socket) }

    /// Sends a line of text.
    package func say(_ line: String) throws(CourierError) {
        var rest = Array((line + "\n").utf8)[...]
        while !rest.isEmpty {
            let sent = unsafe rest.withUnsafeBytes { octets in
                unsafe Glibc.send(self.socket, octets.baseAddress, octets.count, CInt(MSG_NOSIGNAL))
            }
            guard sent > 0 || errno == EINTR else { throw CourierError(code: errno) }
            rest = rest.dropFirst(max(0, sent))
        }
    }

    /// Waits for a line and what was sent before it; nil if the other side closed instead.
    ///
    /// - Parameter milliseconds: how long one piece may take.
    package func receive(within milliseconds: CInt) throws(CourierError) -> Parcel? {
        var (line, files): ([UInt8], [CInt]) = ([], [])
        do throws(CourierError) {
            while line.count < Self.lineLimit {
                let piece = try self.piece(within: milliseconds, &files)
                guard !piece.isEmpty else { break }
                line += piece
                if line.last == UInt8(ascii: "\n") { return Parcel(line: line.dropLast(), files: files) }
            }
        } catch {
            Self.discard(files)
            throw error
        }
        Self.discard(files)
        return nil
    }

    private func piece(within milliseconds: CInt, _ files: inout [CInt]) throws(CourierError) -> [UInt8] {
        var octets = [UInt8](repeating: 0, count: 65_536)
        var found = [CInt](repeating: -1, count: Int(DESCRIPTORS_MAXIMUM))
        var count: CInt = 0
        let received = unsafe descriptors_receive(
            self.socket,
            &octets,
            octets.count,
            &found,
            &count,
            milliseconds
        )
        files += found.prefix(Int(count))
        guard received >= 0 else { throw CourierError(code: CInt(-received)) }
        return Array(octets.prefix(received))
    }

    // MARK: Open files by their number

    /// Sends open files over a connected Unix socket; a line must follow.
    package static func send(_ files: [CInt], over socket: CInt) throws(CourierError) {
        var rest = files[...]
        while !rest.isEmpty {
            let some = Array(rest.prefix(Int(DESCRIPTORS_MAXIMUM)))
            let code = unsafe descriptors_send(socket, some, CInt(some.count))
            guard code == 0 else { throw CourierError(code: -code) }
            rest = rest.dropFirst(some.count)
        }
    }

    /// Closes open files that nobody wants.
    package static func discard(_ files: [CInt]) {
        for file in files { close(file) }
    }
}
