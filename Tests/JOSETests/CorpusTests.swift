// What the fuzzers have found to be worth keeping, once more without them (E10, J5, J11).

import Foundation
import Testing

@testable import JOSE

struct CorpusTests {
    static let checks: [(String, @Sendable ([UInt8]) throws -> Void)] = [
        ("json", { try ObjectTextCheck.run($0) }), ("token", { try TokenCheck.run($0) }),
        ("keys", { try KeySetCheck.run($0) }), ("claims", { try ClaimsCheck.run($0) }),
        ("proof", { try ProofCheck.run($0) }),
    ]

    @Test(arguments: checks.indices) func `the corpus keeps all promises`(index: Int) throws {
        let (name, check) = Self.checks[index]
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../Fuzz/corpus/\(name)")
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        #expect(files.count > 1)
        for file in files {
            let bytes = Array(try Data(contentsOf: file))
            #expect(throws: Never.self, "\(name)/\(file.lastPathComponent)") { try check(bytes) }
        }
    }
}
