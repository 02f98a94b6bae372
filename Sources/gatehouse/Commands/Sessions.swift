// `gatehouse sessions`: whose sessions end before their time.
import ArgumentParser
import Foundation
import JSON
import NIOPosix

/// What an operator does with sessions.
struct Sessions: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "End sessions before their time.",
        subcommands: [End.self]
    )

    /// Ends a user's sessions, those of a session at the issuer, of an issuer, or all.
    struct End: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Tell the running program that sessions have ended.",
            discussion: """
                They end at once, with their streams, and stay ended. Users may log in again; at an identity provider \
                that still knows them they are not asked for a password. Exits with 0 when they have ended, with 1 \
                when they may be alive elsewhere, or no program runs.
                """
        )

        @Option(help: "The issuer whose sessions are meant, as the configuration writes it.")
        var issuer: String?

        @Option(help: "The user, by the sub that the issuer gives.")
        var subject: String?

        @Option(help: "The session at the issuer, by its sid.")
        var sid: String?

        @Flag(help: "All sessions of everybody.")
        var all = false

        @Option(help: .setting("data_dir"))
        var dataDir: String?

        func validate() throws {
            guard self.all != (self.issuer != nil), self.subject == nil || self.sid == nil,
                !self.all || (self.subject == nil && self.sid == nil)
            else {
                throw ValidationError("expected --issuer, alone or with one of --subject and --sid; or --all")
            }
        }

        func run() async throws {
            let environment = ProcessInfo.processInfo.environment
            let directory =
                self.dataDir ?? environment["GATEHOUSE_DATA_DIR"] ?? Setting.named("data_dir")?.standard ?? ""
            let socket = ControlSocket(dataDirectory: directory)
            let wish = EndingWish(issuer: self.issuer, subject: self.subject, sid: self.sid)
            let group = MultiThreadedEventLoopGroup.singleton
            guard let answer = await socket.ask(.end, more: wish.json, on: group) else {
                throw Failure("no program answers at \(socket.path); is it running, with this data_dir?")
            }
            guard let result = answer["result"]?.string else {
                throw Failure(answer["error"]?.string ?? "the program does not know this command")
            }
            print(
                result == "ended"
                    ? "ended"
                    : "ended in this program; the disk or the shared store does not have it yet, see its log"
            )
            if result != "ended" { throw ExitCode.failure }
        }
    }
}
