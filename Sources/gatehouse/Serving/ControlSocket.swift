// The Unix socket by which commands speak to the running program: a line to ask, a line of JSON to answer.
import Descriptors
import Foundation
import JSON
import NIOCore
import NIOPosix

/// What became of a reload.
struct ReloadOutcome: Sendable {
    /// Whether the new file serves now; otherwise the old one still does.
    var isTaken: Bool
    /// One line a fault or a remark.
    var lines: [String]

    var json: JSONValue {
        .object([
            "result": .string(self.isTaken ? "taken" : "kept"),
            "messages": .array(self.lines.map { .string($0) }),
        ])
    }

    init(isTaken: Bool, lines: [String]) {
        self.isTaken = isTaken
        self.lines = lines
    }

    init?(_ json: JSONValue) {
        guard let result = json["result"]?.string, let lines = json["messages"]?.array else { return nil }
        self.init(isTaken: result == "taken", lines: lines.compactMap(\.string))
    }
}

/// What came of asking for a reload.
enum ReloadAnswer: Sendable {
    /// The program said what became of it.
    case said(ReloadOutcome)
    /// The program did not answer in time: what becomes of it is not known.
    case late
    /// No program answers.
    case nobody
}

/// The socket in `data_dir`, for its owner alone.
struct ControlSocket: Sendable {
    typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>
    typealias Listener = NIOAsyncChannel<Connection, Never>

    /// What a command asks for.
    enum Command: String {
        case reload, takeover, end
    }

    let path: String

    init(dataDirectory: String) {
        self.path = dataDirectory + "/gatehouse.sock"
    }

    /// Listens, in the place of whoever did before.
    ///
    /// The socket is made under a name of its own and gets the known one when its mode is right; so the end of an
    /// older program's socket cannot take this one away either. A crash between the two leaves a draft (`Drafts`).
    func listen(on group: any EventLoopGroup) async throws -> Listener {
        let made = "\(URL(filePath: self.path).deletingLastPathComponent().path)/.g\(Self.word()).new"
        let listener = try await ServerBootstrap(group: group).bind(unixDomainSocketPath: made) { channel in
            channel.eventLoop.makeCompletedFuture {
                try Connection(wrappingChannelSynchronously: channel)
            }
        }
        do {
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: made)
            guard FolderClaim.rename(made, to: self.path) else { throw Failure("it cannot be named") }
        } catch {
            try? await listener.channel.close()
            throw error
        }
        return listener
    }

    /// No longer than the rest of the socket's own name, so that both paths fit or neither.
    private static func word() -> String { String(UInt32.random(in: .min ... .max), radix: 16) }

    /// Takes connections until the task is cancelled; each is one command.
    func serve(
        _ listener: Listener,
        answer: @escaping @Sendable (Command, inout ControlLine) async throws -> Void
    ) async throws {
        try await listener.executeThenClose { connections in
            try await withThrowingDiscardingTaskGroup { tasks in
                for try await connection in connections {
                    tasks.addTask {
                        try? await connection.executeThenClose { inbound, outbound in
                            var line = ControlLine(connection.channel, inbound, outbound)
                            guard let word = try await line.next() else { return }
                            guard let command = Command(rawValue: word) else {
                                return try await line.say(.object(["error": .string("no such command")]))
                            }
                            try await answer(command, &line)
                        }
                    }
                }
            }
        }
    }

    /// Asks the program behind the socket to reload, and waits for what became of it no longer than so many seconds.
    func reload(on group: any EventLoopGroup, within seconds: Double) async -> ReloadAnswer {
        await withTaskGroup(of: ReloadAnswer.self) { tasks in
            tasks.addTask {
                let said = await self.ask(.reload, on: group).flatMap(ReloadOutcome.init)
                return said.map(ReloadAnswer.said) ?? .nobody
            }
            tasks.addTask {
                try? await Task.sleep(for: .seconds(seconds))
                return .late
            }
            let first = await tasks.next()
            tasks.cancelAll()
            return first ?? .nobody
        }
    }

    /// Asks the program behind the socket to do something.
    ///
    /// - Parameter more: a second line, for commands that have one.
    /// - Returns: its answer; `nil` where nobody listens.
    func ask(_ command: Command, more: JSONValue? = nil, on group: any EventLoopGroup) async -> JSONValue? {
        let channel = try? await ClientBootstrap(group: group).connect(unixDomainSocketPath: self.path) {
            channel in
            channel.eventLoop.makeCompletedFuture { try Connection(wrappingChannelSynchronously: channel) }
        }
        guard let channel else { return nil }
        let answer = try? await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: "\(command.rawValue)\n"))
            var line = ControlLine(channel.channel, inbound, outbound)
            if let more { try await line.say(more) }
            return try await line.next()
        }
        return answer.flatMap { try? JSONValue(parsing: Array($0.utf8)) }
    }
}

/// One command's connection, line by line.
struct ControlLine {
    /// A line longer than this is cut off with its connection; a reload may have much to say.
    private static let limit = 1 << 24
    let channel: any Channel
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var rest: [UInt8] = []

    init(
        _ channel: any Channel,
        _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>,
        _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) {
        self.channel = channel
        self.inbound = inbound.makeAsyncIterator()
        self.outbound = outbound
    }

    /// The next line; nil at the end.
    mutating func next() async throws -> String? {
        while true {
            if let end = self.rest.firstIndex(of: UInt8(ascii: "\n")) {
                defer { self.rest.removeFirst(end + 1) }
                return String(decoding: self.rest[..<end], as: UTF8.self)
            }
            guard self.rest.count < Self.limit, let part = try await self.inbound.next(isolation: #isolation)
            else { return nil }
            self.rest += part.readableBytesView
        }
    }

    func say(_ json: JSONValue) async throws {
        var line = json.serialized()
        line.append(UInt8(ascii: "\n"))
        try await self.outbound.write(ByteBuffer(bytes: line))
    }
}
