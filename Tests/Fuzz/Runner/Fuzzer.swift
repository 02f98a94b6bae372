// Hands octets from libFuzzer to the check that `FUZZ_CHECK` names; libFuzzer starts the program anew with its own arguments.

import CLibFuzzer
import Glibc

/// The checks of one program, of which the environment names one.
public enum Fuzzer {
    /// Holds octets to what must hold of them.
    public typealias Check = @Sendable ([UInt8]) throws -> Void

    /// Runs the check that the environment names until libFuzzer is done; a finding ends the process, so that it keeps
    /// the input.
    public static func run(_ checks: [String: Check]) -> Never {
        let name = unsafe getenv("FUZZ_CHECK").map { unsafe String(cString: $0) } ?? ""
        guard let check = checks[name] else {
            print("fuzz: set FUZZ_CHECK to one of \(checks.keys.sorted().joined(separator: ", "))")
            exit(2)
        }
        Chosen.one.set(check)
        var count = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = unsafe CommandLine.unsafeArgv
        let status = unsafe LLVMFuzzerRunDriver(&count, &arguments) { data, count in
            Chosen.one.run(unsafe Array(UnsafeBufferPointer(start: data, count: count)))
            return 0
        }
        exit(status)
    }
}

/// The check that was chosen, where C's callback finds it.
private final class Chosen: @unchecked Sendable {
    static let one = Chosen()
    // SAFETY: set once, before libFuzzer starts.
    private var check: Fuzzer.Check?

    func set(_ check: @escaping Fuzzer.Check) { self.check = check }

    func run(_ input: [UInt8]) {
        do {
            try check?(input)
        } catch {
            print("finding: \(error)")
            fflush(nil)
            abort()
        }
    }
}
