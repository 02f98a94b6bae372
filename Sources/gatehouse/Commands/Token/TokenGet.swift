// Gets a token from an issuer, for scripts and for trying things out.
import ArgumentParser
import Cryptography
import Fetch
import Foundation
import JSON
import OIDC

/// Asks an issuer's token endpoint and prints its answer.
struct TokenGet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "Get a token from an identity provider and print its JSON answer.",
        discussion: """
            Secrets are never flags: they come from a file, from the environment, or with '-' from standard input.

              gatehouse token get --issuer https://id.example.com --client-id app \\
                --client-secret-env APP_SECRET --scope api
            """
    )

    /// What is asked for.
    enum Grant: String, ExpressibleByArgument, CaseIterable {
        case clientCredentials = "client_credentials"
        case password
    }

    /// How the client shows its secret.
    enum Authentication: String, ExpressibleByArgument, CaseIterable {
        case basic, post
    }

    @Option(help: "The issuer's URL, with or without /.well-known/openid-configuration.")
    var issuer: String

    @Option(name: .customLong("client-id"), help: "The client's name at the issuer.")
    var clientID: String

    @Option(help: "A file that holds the client's secret, or '-' for standard input.")
    var clientSecretFile: String?

    @Option(help: "The environment variable that holds the client's secret.")
    var clientSecretEnv: String?

    @Option(help: "What to ask for: client_credentials or password.")
    var grant = Grant.clientCredentials

    @Option(help: "The user's name, for the password grant.")
    var username: String?

    @Option(help: "A file that holds the user's password, or '-' for standard input.")
    var passwordFile: String?

    @Option(help: "The scopes to ask for, separated by spaces.")
    var scope: String?

    @Option(help: "An audience to ask for; may be repeated.")
    var audience: [String] = []

    @Option(help: "How to show the secret: basic or post. Default: as the issuer's metadata suggests.")
    var auth: Authentication?

    @Option(help: "A PEM file of authorities to trust instead of the system's.")
    var caFile: String?

    @Flag(help: "Take an issuer on plain http that is not on this machine.")
    var allowHTTPIssuer = false

    func validate() throws {
        guard self.clientSecretFile == nil || self.clientSecretEnv == nil else {
            throw ValidationError("Give --client-secret-file or --client-secret-env, not both.")
        }
        guard self.clientSecretFile != "-" || self.passwordFile != "-" else {
            throw ValidationError("Standard input can hold the client's secret or the password, not both.")
        }
        let isPassword = self.grant == .password
        guard !isPassword || (self.username != nil && self.passwordFile != nil) else {
            throw ValidationError("The password grant needs --username and --password-file.")
        }
        guard isPassword || (self.username == nil && self.passwordFile == nil) else {
            throw ValidationError("--username and --password-file belong to --grant password.")
        }
    }

    func run() async throws {
        do {
            let client = try CurlClient()
            defer { client.close() }
            let answer = try await self.tokens(through: client).answer
            FileHandle.standardOutput.write(Data((answer.serializedString + "\n").utf8))
        } catch let error as OIDCError {
            try Self.fail("\(error.reason): \(error.detail)")
        } catch let error as FetchError {
            try Self.fail(error.reason)
        } catch let error as SecretError {
            try Self.fail("secret-unreadable: \(error.sentence)")
        }
    }

    /// Gets the tokens; apart from `run` so that a test can give a client of its own.
    func tokens(through client: any HTTPClient) async throws -> TokenSet {
        var settings = try IssuerSettings(issuer: self.issuer)
        settings.policy.caFile = self.caFile
        settings.policy.plainHTTP = self.allowHTTPIssuer ? .any : .loopback
        let directory = IssuerDirectory(
            client: client,
            dataDirectory: nil,
            clock: { Date().timeIntervalSince1970 },
            events: UnheardIssuerEvents()
        )
        var party = RelyingParty(
            issuer: try directory.issuer(for: settings),
            clientID: self.clientID,
            clientSecret: try self.clientSecret()
        )
        party.authentication = self.auth.map { $0 == .basic ? .basic : .post }
        party.audiences = self.audience
        switch self.grant {
        case .clientCredentials: return try await party.clientCredentials(scope: self.scope ?? "")
        case .password:
            let password = try Self.secret(inFile: self.passwordFile ?? "-")
            return try await party.password(
                username: self.username ?? "",
                password: password,
                scope: self.scope ?? ""
            )
        }
    }

    private func clientSecret() throws -> Secret? {
        if let name = self.clientSecretEnv {
            guard let value = ProcessInfo.processInfo.environment[name], !value.isEmpty else {
                throw SecretError(sentence: "the environment variable \(name) is not set")
            }
            return Secret(utf8: value)
        }
        return try self.clientSecretFile.map { Secret(utf8: try Self.secret(inFile: $0)) }
    }

    /// Reads a secret; one line end after it is not part of it.
    private static func secret(inFile file: String) throws -> String {
        let data: Data
        if file == "-" {
            data = try FileHandle.standardInput.readToEnd() ?? Data()
        } else {
            guard let contents = try? Data(contentsOf: URL(fileURLWithPath: file)) else {
                throw SecretError(sentence: "the file \(file) cannot be read")
            }
            data = contents
        }
        guard var text = String(data: data, encoding: .utf8) else {
            throw SecretError(sentence: "the secret is not UTF-8")
        }
        if text.hasSuffix("\r\n") || text.hasSuffix("\n") { text.removeLast() }
        guard !text.isEmpty else { throw SecretError(sentence: "the secret is empty") }
        return text
    }

    private struct SecretError: Error { let sentence: String }

    private static func fail(_ message: String) throws {
        FileHandle.standardError.write(Data((message + "\n").utf8))
        throw ExitCode(1)
    }
}
