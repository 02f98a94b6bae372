// `gatehouse keys`: our own keys.
import Access
import ArgumentParser
import Foundation

/// Lists, makes and rotates the keys that seal cookies.
struct Keys: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Our own keys: list, generate, rotate.",
        subcommands: [List.self, Generate.self, Rotate.self]
    )

    /// The folder of our keys.
    struct Folder: ParsableArguments {
        @Option(
            name: .customLong("dir"),
            help: "The folder of our keys (GATEHOUSE_KEYS_DIR; default: ./keys)."
        )
        var path: String?

        var directory: String {
            self.path ?? ProcessInfo.processInfo.environment["GATEHOUSE_KEYS_DIR"]
                ?? Setting.named("keys_dir")?.standard ?? ""
        }
    }

    /// Prints one line a key, the newest first, never the key itself.
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print each key's name and age, newest first."
        )
        @OptionGroup var folder: Folder

        func run() throws {
            for (place, key) in try SealingKeyRing.list(self.folder.directory).enumerated() {
                let made = Date(timeIntervalSince1970: key.createdAt).formatted(.iso8601)
                print("\(key.id)\tmade \(made)\t\(place == 0 ? "seals and opens" : "opens")")
            }
        }
    }

    /// Makes a key; it seals from the program's next start or reload on.
    struct Generate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a key, and the folder if it is not there."
        )
        @OptionGroup var folder: Folder

        func run() throws {
            let key = try SealingKeyRing.generate(in: self.folder.directory, at: Date().timeIntervalSince1970)
            print("\(key.id)\tmade in \(self.folder.directory)")
        }
    }

    /// Makes a key and removes the ones past the overlap.
    struct Rotate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a new key that seals; keep the last ones to open with.",
            discussion:
                "The newest \(SealingKeyRing.kept) keys stay. A running program takes them up at its next reload."
        )
        @OptionGroup var folder: Folder

        func run() throws {
            let key = try SealingKeyRing.rotate(in: self.folder.directory, at: Date().timeIntervalSince1970)
            print("\(key.id)\tseals from the next start or reload on")
        }
    }
}
