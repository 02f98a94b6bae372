// The program: takes commands.
import ArgumentParser
import Foundation

/// The root of the commands.
struct Gatehouse: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gatehouse",
        abstract: "The open gateway for OpenID Connect.",
        discussion: """
            Logs browsers in at your identity provider, checks tokens and keys, decides on their claims, and \
            forwards what may pass. Its configuration is Kong's: a decK file.

              gatehouse check gatehouse.yaml
              gatehouse serve --config gatehouse.yaml
            """,
        version: Version.current,
        subcommands: [
            Serve.self, Check.self, Token.self, Explain.self, Reload.self, Sessions.self, Keys.self,
            Schema.self,
        ]
    )
}

/// What `--version` prints.
enum Version {
    static let current = "gatehouse 0.2.0"
}

@main
enum Program {
    /// Runs the command that the arguments name; a usage error exits with 2 and says what was expected.
    static func main() async {
        do {
            var command = try Gatehouse.parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            let code = Gatehouse.exitCode(for: error)
            let message = Gatehouse.fullMessage(for: error)
            if !message.isEmpty {
                (code.isSuccess ? FileHandle.standardOutput : FileHandle.standardError)
                    .write(Data((message + "\n").utf8))
            }
            exit(code == .validationFailure ? 2 : code.rawValue)
        }
    }
}
