// A Redis of a test's own, at a Unix socket in a folder that goes with it.
import Foundation
import Store
import Testing

/// Takes what a store tells, and says it to nobody.
struct UnheardStore: StoreEvents {
    func storeUp(_ title: String) {}
    func storeDown(_ title: String, reason: String) {}
    func storeNodeUp(_ title: String, node: String) {}
    func storeNodeDown(_ title: String, node: String, reason: String) {}
}

/// `redis-server`, from start to end.
final class RedisServer {
    let redis: Redis
    private let process = Process()
    private let folder: URL

    init() async throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "r-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let socket = folder.appending(path: "s").path
        process.executableURL = URL(filePath: "/usr/bin/redis-server")
        process.arguments = ["--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder.path]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        var address = RedisAddress(.socket(path: socket))
        address.database = 1
        redis = try Redis(address, events: UnheardStore())
        redis.start()
        let end = ContinuousClock.now + .seconds(20)
        while redis.upSeconds == nil {
            try #require(ContinuousClock.now < end, "redis-server is up")
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    deinit {
        // A child of a task's thread has that thread's mask of signals, which holds back every one but this.
        kill(process.processIdentifier, SIGKILL)
        try? FileManager.default.removeItem(at: folder)
    }
}
