// The program: takes commands.
import ArgumentParser

@main
struct Gatehouse: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "gatehouse")
}
