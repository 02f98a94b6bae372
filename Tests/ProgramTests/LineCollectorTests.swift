// Lines, however they come in pieces.

import Testing

@testable import gatehouse

@Suite struct LineCollectorTests {
    private static func lines(_ pieces: [String], maximum: Int = 5) -> [String] {
        var collector = LineCollector(maximumBytes: maximum)
        var lines = pieces.flatMap { collector.take(Array($0.utf8)) }
        if let rest = collector.rest() { lines.append(rest) }
        return lines.map { String(decoding: $0, as: UTF8.self) }
    }

    @Test(
        arguments: [
            (["a\nb\n"], ["a", "b"]),
            (["a\nb"], ["a", "b"]),
            (["a", "b\n", "c\nd", "e"], ["ab", "c", "de"]),
            (["\n\n"], ["", ""]),
            ([], []),
            ([""], []),
        ] as [([String], [String])]
    )
    func `lines are put together`(_ pieces: [String], _ expected: [String]) {
        #expect(Self.lines(pieces) == expected)
    }

    @Test(
        arguments: [
            (["12345\nx\n"], ["12345", "x"]),
            (["123456\nx\n"], ["", "x"]),
            (["123", "456\nx\n"], ["", "x"]),
            (["123456", "789", "\nx"], ["", "x"]),
            (["123456"], [""]),
        ] as [([String], [String])]
    )
    func `one that is too long is an empty one, and spoils no other`(
        _ pieces: [String],
        _ expected: [String]
    ) {
        #expect(Self.lines(pieces) == expected)
    }
}
