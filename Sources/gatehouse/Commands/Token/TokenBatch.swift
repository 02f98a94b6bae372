// One question a line, one answer a line.
import Dispatch
import Foundation
import JOSE
import JSON
import Synchronization

/// Answers JSON Lines from standard input on standard output, in order, on all cores.
struct TokenBatch {
    /// What a line does not say.
    let defaults: TokenQuestion
    /// Whether all lines are judged at the moment of the defaults, or each at its own.
    let isNowFixed: Bool
    private let keys = JWKSetCache()

    init(defaults: TokenQuestion, isNowFixed: Bool) {
        self.defaults = defaults
        self.isNowFixed = isNowFixed
    }

    func run() throws {
        var lines = LineCollector(maximumBytes: TokenQuestion.maximumLineBytes)
        while let chunk = try FileHandle.standardInput.read(upToCount: 1 << 20), !chunk.isEmpty {
            try self.write(self.answers(lines.take(chunk)))
        }
        if let last = lines.rest() { try self.write(self.answer(last)) }
    }

    /// The answers to `lines`, in their order; many are shared among the cores.
    private func answers(_ lines: [[UInt8]]) -> [UInt8] {
        let lanes = min(ProcessInfo.processInfo.activeProcessorCount, lines.count / Self.linesALane)
        guard lanes > 1 else { return lines.flatMap(self.answer) }
        let found = Mutex([[UInt8]](repeating: [], count: lanes))
        DispatchQueue.concurrentPerform(iterations: lanes) { lane in
            let mine = lines[(lines.count * lane / lanes)..<(lines.count * (lane + 1) / lanes)]
            let answers = mine.flatMap(self.answer)
            found.withLock { $0[lane] = answers }
        }
        return found.withLock { Array($0.joined()) }
    }

    /// Fewer are not worth another thread.
    private static let linesALane = 8

    private func answer(_ line: [UInt8]) -> [UInt8] {
        var defaults = self.defaults
        if !self.isNowFixed { defaults.now = NumericDate(seconds: Date().timeIntervalSince1970) }
        return defaults.answer(line: line, keys: self.keys).serialized() + [0x0A]
    }

    private func write(_ bytes: [UInt8]) throws {
        guard !bytes.isEmpty else { return }
        try FileHandle.standardOutput.write(contentsOf: Data(bytes))
    }
}
