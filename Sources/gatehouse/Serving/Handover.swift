// Listening sockets handed from the running program to the one that takes its place.
import Descriptors
import Foundation
import JSON
import Logging
import NIOCore
import Proxy
import Synchronization

/// The older program's side: gives, waits until the younger one serves, and then may end.
final class Handover: Sendable {
    private let claim: FolderClaim?
    private let servers: [ProxyServer]
    private let logger: Logger
    private let state = Mutex(State.free)

    private enum State {
        /// Nobody takes over.
        case free
        /// Somebody does, or has.
        case giving, given
        /// This program ends.
        case closed
    }

    init(claim: FolderClaim?, servers: [ProxyServer], logger: Logger) {
        self.claim = claim
        self.servers = servers
        self.logger = logger
    }

    /// From now on nobody begins to take over: this program ends.
    ///
    /// - Returns: whether it ends without a successor, and so has to clean up itself.
    func close() -> Bool {
        self.state.withLock { state in
            defer { if state == .free { state = .closed } }
            return state == .free
        }
    }

    /// Gives to the program at the other end of `line`: stops listening once that is ready to accept.
    ///
    /// Never two programs accept from one socket: of two that are woken one would find nothing there.
    ///
    /// - Returns: whether it has taken over; otherwise everything stays as it was.
    func give(_ line: inout ControlLine) async throws -> Bool {
        let isMine = self.state.withLock { state in
            defer { if state == .free { state = .giving } }
            return state == .free
        }
        guard isMine else {
            let reason = "it is ending, or another program is taking over already"
            try await line.say(.object(["error": .string(reason)]))
            return false
        }
        var serves = false
        do {
            try await self.send(line)
            serves = try await line.next() == "ready"
        } catch {
            self.logger.warning("handing over: \(error)")
        }
        self.state.withLock { $0 = serves ? .given : .free }
        guard serves else {
            self.logger.error("handing over: the new program did not come up; this one goes on")
            return false
        }
        for server in self.servers { await server.stopListening() }
        try? await line.say(.object(["result": .string("stopped listening")]))
        return true
    }

    private func send(_ line: ControlLine) async throws {
        var sockets: [ListeningSocket] = []
        for server in self.servers { sockets += await server.listeningSockets() }
        let copies = sockets.map(\.descriptor)
        defer { FileCourier.discard(copies) }
        let files = copies + (self.claim.map { [$0.descriptor] } ?? [])
        try await line.channel.eventLoop.submit { [channel = line.channel] in
            _ = try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: CInt.self) { socket in
                try FileCourier.send(files, over: socket)
            }
        }.get()
        try await line.say(
            .object([
                "pid": .string("\(ProcessInfo.processInfo.processIdentifier)"),
                "version": .string(Version.current),
                "sockets": .array(sockets.map { .string($0.name) }),
            ])
        )
    }
}

/// The younger program's side: what a start begins with.
struct Inheritance: Sendable {
    /// Whether `data_dir` is ours alone; nil where its file system knows no claims.
    let claim: FolderClaim?
    /// What the older program listens on.
    private(set) var sockets: [ListeningSocket] = []
    /// The older program's number, where there is one.
    private(set) var pid: String?
    private var courier: FileCourier?

    /// Claims `data_dir`, or takes over from the program that has it.
    static func take(_ directory: String, takesOver: Bool, _ logger: Logger) throws -> Inheritance {
        if takesOver {
            if let taken = try Inheritance(from: ControlSocket(dataDirectory: directory)) { return taken }
            logger.notice("no program runs with this data_dir; nothing to take over")
        }
        do throws(FolderClaimError) {
            return Inheritance(claim: try FolderClaim(directory))
        } catch .taken {
            throw Inheritance.taken(directory)
        } catch {
            logger.warning("data_dir \(directory) cannot be claimed; whoever answers its socket has it")
            let socket = ControlSocket(dataDirectory: directory)
            guard (try? FileCourier(connectingTo: socket.path)) == nil else {
                throw Inheritance.taken(directory)
            }
            return Inheritance(claim: nil)
        }
    }

    private static func taken(_ directory: String) -> Failure {
        Failure("data_dir \(directory) belongs to a program that runs; stop it, or start with --takeover")
    }

    private init(claim: FolderClaim?) { self.claim = claim }

    /// Asks the running program; nil if there is none.
    private init?(from socket: ControlSocket) throws {
        guard let courier = try? FileCourier(connectingTo: socket.path) else { return nil }
        let parcel: Parcel?
        do {
            try courier.say(ControlSocket.Command.takeover.rawValue)
            parcel = try courier.receive(within: 10_000)
        } catch {
            throw Failure("the program behind \(socket.path) does not hand over: errno \(error.code)")
        }
        guard let parcel, let json = try? JSONValue(parsing: parcel.line),
            let names = json["sockets"]?.array?.compactMap(\.string), names.count <= parcel.files.count
        else {
            FileCourier.discard(parcel?.files ?? [])
            let said = parcel.flatMap { try? JSONValue(parsing: $0.line) }?["error"]?.string
            throw Failure(
                "the program behind \(socket.path) does not hand over: \(said ?? "it closed the connection")"
            )
        }
        self.claim = parcel.files.dropFirst(names.count).first.map { FolderClaim(sharing: $0) }
        self.sockets = zip(names, parcel.files).map { ListeningSocket(name: $0, descriptor: $1) }
        self.pid = json["pid"]?.string ?? "unknown"
        self.courier = courier
    }

    /// Tells the older program to drain, waits until it no longer listens, and lets go of what only that one listened on.
    ///
    /// An older program that is gone by now, or does not answer, is no reason to let clients wait.
    func takeTurn(at names: Set<String>) {
        FileCourier.discard(self.sockets.filter { !names.contains($0.name) }.map(\.descriptor))
        guard let courier = self.courier else { return }
        do {
            try courier.say("ready")
            let answer = try courier.receive(within: 10_000)
            FileCourier.discard(answer?.files ?? [])
        } catch {
            return
        }
    }
}
