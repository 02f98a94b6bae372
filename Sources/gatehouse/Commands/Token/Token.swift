// The commands about tokens.
import ArgumentParser

/// Groups what can be done with a token from the command line.
struct Token: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Verify a token, or get one.",
        subcommands: [TokenGet.self, TokenVerify.self]
    )
}
