// `gatehouse reload`: the running program takes its file anew.
import ArgumentParser
import Foundation
import NIOPosix

/// Asks the running program to reload, and says what became of it.
struct Reload: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tell the running program to take its configuration anew, whole or not at all.",
        discussion:
            "Exits with 0 when the new file serves, with 1 when the old one was kept or no program runs."
    )

    @Option(help: .setting("data_dir"))
    var dataDir: String?

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let directory =
            self.dataDir ?? environment["GATEHOUSE_DATA_DIR"] ?? Setting.named("data_dir")?.standard ?? ""
        let socket = ControlSocket(dataDirectory: directory)
        guard let outcome = await socket.reload(on: .singletonMultiThreadedEventLoopGroup) else {
            throw Failure("no program answers at \(socket.path); is it running, with this data_dir?")
        }
        outcome.lines.forEach { print($0) }
        print(
            outcome.isTaken
                ? "taken: the new configuration serves" : "kept: the old configuration still serves"
        )
        if !outcome.isTaken { throw ExitCode.failure }
    }
}

/// A command's failure, said in one sentence; the program exits with 1.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ sentence: String) { self.description = sentence }
}
