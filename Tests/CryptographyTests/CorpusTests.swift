// What the fuzzers have found to be worth keeping, once more without them (E10).

import Foundation
import Testing

struct CorpusTests {
    @Test func `the corpus of certificates keeps all promises`() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../Fuzz/corpus/certificate")
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        #expect(files.count > 1)
        for file in files {
            let bytes = Array(try Data(contentsOf: file))
            #expect(throws: Never.self, "\(file.lastPathComponent)") { try CertificateCheck.run(bytes) }
        }
    }
}
