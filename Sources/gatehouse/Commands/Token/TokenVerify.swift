// Verifies tokens as the gateway would, and says why one is refused.
import ArgumentParser
import Foundation
import JOSE
import JSON

/// Judges one token, or one a line, and prints the verdict as JSON.
struct TokenVerify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Verify a token as the gateway would.",
        discussion: """
            Prints one JSON object: {"valid":true,"claims":…} or {"valid":false,"reason":…}, a refused token's with \
            every rule and its verdict: passed, failed, not reached, not asked. Exits 0 when the token \
            is valid, 1 when it is not, 2 when the question cannot be asked.

            With --proof, or with --certificate, the token must be bound to that key or certificate, and the \
            proof is judged too, rule by rule.

            With --batch each line of the input is a question of its own, {"id":…,"token":…,"jwks":{…},"issuer":…,\
            "audience":[…],"algorithms":[…],"at":…,"leeway":…,"type":…,"signature_only":…}, the flags are its \
            defaults, and the exit is 0.
            """
    )

    @Option(help: "The keys: a file with a JWK set, or the URL of one.")
    var jwks: String?
    @Option(help: "The issuer that the token must name.")
    var issuer: String?
    @Option(help: "An audience of which the token must name one; may be given several times.")
    var audience: [String] = []
    @Option(help: "The algorithms that are taken, with commas between; all with a public key by default.")
    var algorithms: String?
    @Option(help: "Judge at this moment, in seconds since 1970; now by default.")
    var at: Double?
    @Option(help: "How many seconds the clocks may differ.")
    var leeway: Double = 0
    @Option(help: "The type that the token's header must name, such as at+jwt.")
    var type: String?
    @Flag(help: "Check the signature and the header alone, over any payload.")
    var signatureOnly = false
    @Flag(help: "Print the rules and their verdicts of a valid token, too.")
    var rules = false
    @OptionGroup(title: "What the token is shown with") var shown: ShownProofOptions
    @Flag(help: "Read one question a line from standard input.")
    var batch = false
    @Option(help: "Read the token from this file.")
    var tokenFile: String?
    @Argument(help: "The token, or - for standard input.")
    var token: String?

    func validate() throws {
        if batch {
            guard token == nil, tokenFile == nil else {
                throw ValidationError("With --batch the tokens come from standard input.")
            }
            guard shown.isEmpty else { throw ValidationError("With --batch no proof is judged.") }
        } else {
            guard (token == nil) != (tokenFile == nil) else {
                throw ValidationError("Give one token, - or --token-file.")
            }
        }
        guard shown.isEmpty || !signatureOnly else {
            throw ValidationError("With --signature-only there are no claims that a proof could be bound to.")
        }
        guard leeway.isFinite, leeway >= 0 else {
            throw ValidationError("--leeway takes seconds, 0 or more.")
        }
        guard at?.isFinite ?? true else { throw ValidationError("--at takes seconds since 1970.") }
        for name in algorithmNames ?? [] {
            // `none` may be written, and allows nothing.
            guard TokenExpectations.knows(name) || name == "none" else {
                throw ValidationError("The algorithm \(name) is not known.")
            }
        }
    }

    func run() async throws {
        var question = TokenQuestion(
            expectations: expectations,
            at: NumericDate(seconds: at ?? Date().timeIntervalSince1970),
            signatureOnly: signatureOnly
        )
        if let jwks { question.keys = try await TokenKeys.read(jwks) }
        guard !batch else {
            try TokenBatch(defaults: question, isNowFixed: at != nil).run()
            return
        }
        question.token = try readToken()
        var (answer, said) = (question.answer(), question.rules)
        if let claims = answer.claims, let proof = try shown.read() {
            let verdict = try proof.verdict(
                on: question.token,
                claims: claims,
                leeway: leeway,
                at: question.now
            )
            said += verdict.rules
            answer = verdict.answer ?? answer
        }
        let json = answer.json(rules: rules || !answer.isValid ? said : [])
        try FileHandle.standardOutput.write(contentsOf: Data(json.serialized() + [UInt8(ascii: "\n")]))
        guard answer.isValid else { throw ExitCode(1) }
    }

    private var algorithmNames: [String]? {
        algorithms?.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    }

    private var expectations: TokenExpectations {
        var expectations = TokenExpectations()
        expectations.issuers = issuer.map { [$0] }
        expectations.audiences = audience.isEmpty ? nil : audience
        expectations.leeway = leeway
        expectations.type = type.map(TokenType.init)
        if let algorithmNames { expectations.allow(algorithmNames) }
        return expectations
    }

    /// The token as bytes; the line break that ends a file is not part of it.
    private func readToken() throws -> [UInt8] {
        if let token, token != "-" { return Array(token.utf8) }
        let bytes: [UInt8]
        if let tokenFile {
            guard let data = FileManager.default.contents(atPath: tokenFile) else {
                throw Question.impossible("The file \(tokenFile) cannot be read.")
            }
            bytes = Array(data)
        } else {
            bytes = Array(try FileHandle.standardInput.readToEnd() ?? Data())
        }
        let isEdge: (UInt8) -> Bool = { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
        guard let end = bytes.lastIndex(where: { !isEdge($0) }) else { return [] }
        return Array(bytes[...end].drop(while: isEdge))
    }
}
