// One question a line, one answer a line.
import Foundation
import JOSE
import JSON

/// Answers JSON Lines from standard input on standard output, in order.
struct TokenBatch {
    /// What a line does not say.
    let defaults: TokenQuestion
    /// Whether all lines are judged at the moment of the defaults, or each at its own.
    let isNowFixed: Bool

    func run() throws {
        let cache = JWKSetCache()
        var line: [UInt8] = []
        var isTooLong = false
        while let chunk = try FileHandle.standardInput.read(upToCount: 1 << 16), !chunk.isEmpty {
            var answers: [UInt8] = []
            for (index, piece) in chunk.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated()
            {
                if index > 0 {
                    answers += answer(line, isTooLong, cache)
                    line = []
                    isTooLong = false
                }
                if line.count + piece.count > TokenQuestion.maximumLineBytes {
                    isTooLong = true
                    line = []
                }
                if !isTooLong { line += piece }
            }
            try write(answers)
        }
        if !line.isEmpty || isTooLong { try write(answer(line, isTooLong, cache)) }
    }

    private func answer(_ line: [UInt8], _ isTooLong: Bool, _ cache: JWKSetCache) -> [UInt8] {
        var defaults = defaults
        if !isNowFixed { defaults.now = NumericDate(seconds: Date().timeIntervalSince1970) }
        // A line that was too long is answered like any other that holds no question.
        return defaults.answer(line: isTooLong ? [] : line, keys: cache).serialized() + [0x0A]
    }

    private func write(_ bytes: [UInt8]) throws {
        guard !bytes.isEmpty else { return }
        try FileHandle.standardOutput.write(contentsOf: Data(bytes))
    }
}
