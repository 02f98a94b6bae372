// Hands octets from libFuzzer to one of the checks: `fuzz CHECK [options of libFuzzer] [folders]`.

import CLibFuzzer
import Glibc
import ProxyChecks

/// The check that the first argument names.
enum Chosen {
    static let checks: [String: @Sendable ([UInt8]) throws -> Void] = [
        "requests": { try RequestCheck.run($0) },
        "answers": { try AnswerCheck.run($0) },
        "chunked": { try ChunkedCheck.run($0) },
        "connection": { try ConnectionCheck.run($0) },
    ]
    static let name = CommandLine.arguments.dropFirst().first ?? ""
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
    print("fuzz: name a check: \(Chosen.checks.keys.sorted().joined(separator: ", "))")
    exit(2)
}
var count = CommandLine.argc - 1
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = unsafe CommandLine.unsafeArgv + 1
let status = unsafe LLVMFuzzerRunDriver(&count, &arguments) { data, count in
    Chosen.run(unsafe Array(UnsafeBufferPointer(start: data, count: count)))
    return 0
}
exit(status)
