// `gatehouse keys`: our own keys.
import Access
import ArgumentParser
import Foundation

/// Lists, makes and rotates our own keys: those that seal cookies, and those that sign for others.
struct Keys: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Our own keys: list, generate, rotate.",
        discussion:
            "Sealing keys seal cookies, for us alone. Signing keys sign what services read; their public halves are at /oauth2/jwks.",
        subcommands: [List.self, Generate.self, Rotate.self]
    )

    /// What keys are for.
    enum Kind: String, ExpressibleByArgument, CaseIterable {
        case sealing, signing
    }

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
            abstract: "Print each key's name, age and state, newest first; sealing keys, then signing keys."
        )
        @OptionGroup var folder: Folder

        func run() throws {
            let directory = self.folder.directory
            for (place, key) in try SealingKeyRing.list(directory).enumerated() {
                let made = Keys.time(key.createdAt)
                print("\(key.id)\tmade \(made)\t\(place == 0 ? "seals and opens" : "opens")")
            }
            guard let ring = try SigningKeyRing.list(directory) else { return }
            for (key, state) in ring.states(at: wallClock()).reversed() {
                print("\(key.id)\tmade \(Keys.time(key.createdAt))\t\(Keys.words(state))")
            }
        }
    }

    /// Makes a key; it seals from the program's next start or reload on.
    struct Generate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Make a sealing key, the folder if it is not there, and a first signing key if there is none."
        )
        @OptionGroup var folder: Folder

        func run() throws {
            let key = try SealingKeyRing.generate(in: self.folder.directory, at: wallClock())
            print("\(key.id)\tmade in \(self.folder.directory)")
            guard try SigningKeyRing.list(self.folder.directory) == nil else { return }
            let ring = try SigningKeyRing.load(self.folder.directory, at: wallClock())
            for key in ring.keys { print("\(key.id)\tmade in \(self.folder.directory), signs") }
        }
    }

    /// Makes new keys and removes the ones past the overlap.
    struct Rotate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make new keys; the old ones stay as long as something may need them.",
            discussion: """
                Sealing: the new key seals from the next start or reload on; the newest \(SealingKeyRing.kept) keys stay.
                Signing: the new key is published at once, and signs ten minutes later, when whoever keeps our keys has \
                seen it; the old one stays published until the last thing it signed has ended. Running programs take \
                signing keys up within ten seconds.
                """
        )
        @OptionGroup var folder: Folder
        @Option(help: "Only the keys of one kind: sealing or signing.") var only: Kind?

        func run() throws {
            let now = wallClock()
            if self.only != .signing {
                let key = try SealingKeyRing.rotate(in: self.folder.directory, at: now)
                print("\(key.id)\tseals from the next start or reload on")
            }
            guard self.only != .sealing else { return }
            let (key, time) = try SigningKeyRing.rotate(in: self.folder.directory, at: now)
            print("\(key.id)\tpublished, signs from \(Keys.time(time)) on")
        }
    }

    private static func time(_ seconds: Double) -> String {
        Date(timeIntervalSince1970: seconds).formatted(.iso8601)
    }

    private static func words(_ state: SigningKeyRing.State) -> String {
        switch state {
        case .waits(let time): "published, signs from \(self.time(time)) on"
        case .signs: "signs"
        case .verifies(let time): "signed before, published until \(self.time(time))"
        case .over: "over, removed by the next rotation"
        }
    }
}
