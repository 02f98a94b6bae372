// The Unix socket by which `gatehouse reload` speaks to the running program.
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

/// Listens in `data_dir`, readable by the owner alone; each connection is one reload.
struct ReloadSocket: Sendable {
    let path: String

    init(dataDirectory: String) {
        self.path = dataDirectory + "/gatehouse.sock"
    }

    /// Takes connections until the task is cancelled.
    ///
    /// - Parameter reload: takes the file anew; its outcome goes back over the connection.
    func serve(
        on group: any EventLoopGroup,
        reload: @escaping @Sendable () async -> ReloadOutcome
    ) async throws {
        let listener = try await ServerBootstrap(group: group)
            .bind(unixDomainSocketPath: self.path, cleanupExistingSocketFile: true) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: self.path)
        try await listener.executeThenClose { connections in
            for try await connection in connections {
                try? await connection.executeThenClose { _, outbound in
                    var line = await reload().json.serialized()
                    line.append(UInt8(ascii: "\n"))
                    try await outbound.write(ByteBuffer(bytes: line))
                }
            }
        }
    }

    /// Asks the program behind the socket to reload.
    ///
    /// - Returns: what became of it; `nil` where nobody listens.
    func ask(on group: any EventLoopGroup) async -> ReloadOutcome? {
        let channel = try? await ClientBootstrap(group: group).connect(unixDomainSocketPath: self.path) {
            channel in
            channel.eventLoop.makeCompletedFuture {
                try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
            }
        }
        guard let channel else { return nil }
        let bytes = try? await channel.executeThenClose { inbound, _ in
            var bytes: [UInt8] = []
            for try await part in inbound { bytes += part.readableBytesView }
            return bytes
        }
        guard let bytes, let json = try? JSONValue(parsing: bytes) else { return nil }
        return ReloadOutcome(json)
    }
}
