// What to do when a question cannot even be asked.
import ArgumentParser
import Foundation

/// Ends a command that got something it cannot work with.
enum Question {
    /// Says why on standard error; the exit is that of a usage error.
    static func impossible(_ sentence: String) -> ExitCode {
        FileHandle.standardError.write(Data("Error: \(sentence)\n".utf8))
        return ExitCode(2)
    }
}
