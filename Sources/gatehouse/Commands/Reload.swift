// `gatehouse reload`: the running program takes its file anew.
import ArgumentParser
import Foundation
import NIOPosix

/// Asks the running program to reload, and says what became of it.
struct Reload: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tell the running program to take its configuration anew, whole or not at all.",
        discussion:
            "Exits with 0 when the new file serves, with 1 when the old one was kept, no program runs, or none answered in time."
    )

    @Option(help: .setting("data_dir"))
    var dataDir: String?

    @Option(help: "How many seconds the program may take to answer.")
    var timeout = 60.0

    func validate() throws {
        guard self.timeout > 0, self.timeout <= 86_400 else {
            throw ValidationError("--timeout takes seconds, more than 0 and at most 86400.")
        }
    }

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let directory =
            self.dataDir ?? environment["GATEHOUSE_DATA_DIR"] ?? Setting.named("data_dir")?.standard ?? ""
        let socket = ControlSocket(dataDirectory: directory)
        let outcome: ReloadOutcome
        switch await socket.reload(on: .singletonMultiThreadedEventLoopGroup, within: self.timeout) {
        case .said(let said): outcome = said
        case .nobody:
            throw Failure("no program answers at \(socket.path); is it running, with this data_dir?")
        case .late:
            throw Failure(
                "the program at \(socket.path) did not answer within \(self.timeout) s, and may still take the file: "
                    + "its log and gatehouse_reloads_total say what became of it; --timeout waits longer"
            )
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
