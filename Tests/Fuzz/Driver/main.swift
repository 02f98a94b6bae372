// Hands octets from libFuzzer to the check that `FUZZ_CHECK` names; libFuzzer starts the program anew with its own arguments.

import CLibFuzzer
import CryptographyChecks
import Glibc
import JOSEChecks
import ProxyChecks

/// The check that the environment names.
enum Chosen {
    static let checks: [String: @Sendable ([UInt8]) throws -> Void] = [
        "requests": { try RequestCheck.run($0) },
        "answers": { try AnswerCheck.run($0) },
        "chunked": { try ChunkedCheck.run($0) },
        "frames": { try FramesCheck.run($0) },
        "connection": { try ConnectionCheck.run($0) },
        "hello": { try HelloCheck.run($0) },
        "header": { try HeaderCheck.run($0) },
        "json": { try ObjectTextCheck.run($0) },
        "token": { try TokenCheck.run($0) },
        "keys": { try KeySetCheck.run($0) },
        "claims": { try ClaimsCheck.run($0) },
        "proof": { try ProofCheck.run($0) },
        "certificate": { try CertificateCheck.run($0) },
    ]
    static let name = unsafe getenv("FUZZ_CHECK").map { unsafe String(cString: $0) } ?? ""
    static let check = Self.checks[Self.name]

    /// Runs the check; a finding ends the process, so that libFuzzer keeps the input.
    static func run(_ input: [UInt8]) {
        do {
            try Self.check?(input)
        } catch {
            print("finding: \(error)")
            fflush(nil)
            abort()
        }
    }
}

guard Chosen.check != nil else {
    print("fuzz: set FUZZ_CHECK to one of \(Chosen.checks.keys.sorted().joined(separator: ", "))")
    exit(2)
}
var count = CommandLine.argc
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = unsafe CommandLine.unsafeArgv
let status = unsafe LLVMFuzzerRunDriver(&count, &arguments) { data, count in
    Chosen.run(unsafe Array(UnsafeBufferPointer(start: data, count: count)))
    return 0
}
exit(status)
