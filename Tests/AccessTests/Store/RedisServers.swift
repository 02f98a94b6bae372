// A cluster of Redis of a test's own: three masters on ports that are free.
import Foundation
import Store
import Testing

/// Three masters that have the slots among them, from start to end.
final class RedisServers {
    let redis: Redis
    private var processes: [Process] = []
    private let folder: URL

    init() async throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "c-\(UUID().uuidString.prefix(8))")
        var ports: [(client: Int, bus: Int)] = []
        for number in 0..<3 {
            let (process, pair) = try await Self.server(folder.appending(path: "\(number)"))
            processes.append(process)
            ports.append(pair)
        }
        // Only the last is told of: it tells of the others.
        let seed = RedisAddress.Node(host: "127.0.0.1", port: ports[2].client)
        redis = try Redis(RedisAddress(.cluster(RedisAddress.Cluster(nodes: [seed]))), events: UnheardStore())
        try await Self.meet(ports)
        redis.start()
        try await Self.wait("the cluster is up") { redis.upSeconds != nil }
    }

    /// A server on ports below those that the system gives to connections; where somebody has one of them it ends, and others
    /// are tried.
    private static func server(_ home: URL) async throws -> (Process, (client: Int, bus: Int)) {
        try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
        while true {
            let ports = (client: Int.random(in: 20_000..<26_000), bus: Int.random(in: 26_000..<32_000))
            let process = Process()
            process.executableURL = URL(filePath: "/usr/bin/redis-server")
            process.arguments = [
                "--port", "\(ports.client)", "--cluster-port", "\(ports.bus)", "--bind", "127.0.0.1",
                "--cluster-enabled", "yes", "--save", "", "--dir", home.path,
            ]
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            let address = RedisAddress(.tcp(host: "127.0.0.1", port: ports.client))
            let redis = try Redis(address, events: UnheardStore())
            redis.start()
            try await wait("a server is up") { redis.upSeconds != nil || !process.isRunning }
            if process.isRunning { return (process, ports) }
        }
    }

    deinit {
        for process in processes { kill(process.processIdentifier, SIGKILL) }
        try? FileManager.default.removeItem(at: folder)
    }

    /// Gives each a third of the slots and makes them known to each other.
    private static func meet(_ ports: [(client: Int, bus: Int)]) async throws {
        let thirds = [("0", "5460"), ("5461", "10922"), ("10923", "16383")]
        let servers = try (0..<3).map { number in
            try Redis(
                RedisAddress(.tcp(host: "127.0.0.1", port: ports[number].client)),
                events: UnheardStore()
            )
        }
        for (number, server) in servers.enumerated() {
            server.start()
            try await wait("server \(number) is up") { server.upSeconds != nil }
            for words in [
                ["ADDSLOTSRANGE", thirds[number].0, thirds[number].1],
                ["SET-CONFIG-EPOCH", "\(number + 1)"],
                ["MEET", "127.0.0.1", "\(ports[0].client)", "\(ports[0].bus)"],
            ] {
                let words = [RedisWord("CLUSTER")] + words.map { RedisWord($0) }
                #expect(try await server.call(RedisCommand(words)).isOK)
            }
        }
        for server in servers {
            let question = RedisCommand(["CLUSTER", "INFO"])
            let end = ContinuousClock.now + .seconds(40)
            while try await server.call(question).text?.contains("cluster_state:ok") != true {
                try #require(ContinuousClock.now < end, "the cluster serves")
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    private static func wait(_ what: Comment, until isSo: () -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(30)
        while !isSo() {
            try #require(ContinuousClock.now < end, what)
            try await Task.sleep(for: .milliseconds(10))
        }
    }
}
