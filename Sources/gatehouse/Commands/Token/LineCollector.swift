// Lines out of pieces.

/// Puts lines together; one that is too long is an empty one, which holds no question either.
struct LineCollector {
    let maximumBytes: Int
    private var line: [UInt8] = []
    private var isTooLong = false

    init(maximumBytes: Int) {
        self.maximumBytes = maximumBytes
    }

    /// The lines that `piece` completes, without their ends.
    mutating func take(_ piece: some Collection<UInt8>) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        for (index, part) in piece.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            if index > 0 { lines.append(self.end()) }
            if self.line.count + part.count > self.maximumBytes {
                self.isTooLong = true
                self.line = []
            }
            if !self.isTooLong { self.line += part }
        }
        return lines
    }

    /// What stands behind the last line's end, if anything does.
    mutating func rest() -> [UInt8]? { self.line.isEmpty && !self.isTooLong ? nil : self.end() }

    private mutating func end() -> [UInt8] {
        defer { (self.line, self.isTooLong) = ([], false) }
        return self.line
    }
}
