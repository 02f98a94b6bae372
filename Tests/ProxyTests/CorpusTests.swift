// What the fuzzers have found to be worth keeping, and plays of chance, once more without them.

import Foundation
import Testing

@testable import Proxy

struct CorpusTests {
    /// The inputs of a fuzzer, with their names.
    static func inputs(_ fuzzer: String) throws -> [(name: String, octets: [UInt8])] {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../Fuzz/corpus/\(fuzzer)")
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        return try files.map { ($0.lastPathComponent, Array(try Data(contentsOf: $0))) }
    }

    static func replay(_ fuzzer: String, _ check: ([UInt8]) throws -> Void) throws {
        let inputs = try Self.inputs(fuzzer)
        #expect(inputs.count > 10)
        for (name, octets) in inputs {
            #expect(throws: Never.self, "\(fuzzer)/\(name)") { try check(octets) }
        }
    }

    @Test func `the corpus of request heads keeps all promises`() throws {
        try Self.replay("requests", RequestCheck.run)
    }

    @Test func `the corpus of answer heads keeps all promises`() throws {
        try Self.replay("answers", AnswerCheck.run)
    }

    @Test func `the corpus of chunked bodies keeps all promises`() throws {
        try Self.replay("chunked", ChunkedCheck.run)
    }

    @Test func `the corpus of connections keeps all promises`() throws {
        try Self.replay("connection", ConnectionCheck.run)
    }

    @Test func `the corpora of hellos and headers keep all promises`() throws {
        try Self.replay("hello", HelloCheck.run)
        try Self.replay("header", HeaderCheck.run)
    }

    @Test func `frames of chance keep all promises`() throws {
        var random = SecondOpinionTests.Seeded(state: 11)
        for _ in 0..<1500 {
            let count = Int.random(in: 2...120, using: &random)
            let frames = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            #expect(throws: Never.self, "\(frames)") { try FramesCheck.run(frames) }
        }
    }

    @Test func `plays of chance keep all promises`() throws {
        var random = SecondOpinionTests.Seeded(state: 7)
        for _ in 0..<500 {
            let count = Int.random(in: 2...60, using: &random)
            let play = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            #expect(throws: Never.self, "\(play)") { try ConnectionCheck.run(play) }
        }
    }
}
