// What is wrong with a configuration, and where.

/// A place in a configuration file.
package struct Position: Sendable, Hashable, CustomStringConvertible {
    /// The file's name as the user gave it.
    package let file: String
    /// The line, from 1; 0 when the place is the file as a whole.
    package let line: Int
    /// The column, from 1.
    package let column: Int

    /// Names a place.
    package init(file: String, line: Int, column: Int) {
        self.file = file
        self.line = line
        self.column = column
    }

    /// Stands for values that came from no file.
    package static let nowhere = Position(file: "-", line: 0, column: 0)

    package var description: String { "\(self.file):\(self.line):\(self.column)" }
}

/// One finding about a configuration: what was expected there, and a near name where there is one.
package struct Diagnostic: Sendable, Hashable, CustomStringConvertible {
    /// How bad a finding is.
    package enum Severity: String, Sendable {
        /// The configuration cannot be served.
        case error
        /// It can be served, and should still be looked at.
        case warning
    }

    package let severity: Severity
    package let position: Position
    package let message: String

    /// Makes a finding.
    package init(_ severity: Severity, at position: Position, _ message: String) {
        self.severity = severity
        self.position = position
        self.message = message
    }

    package var description: String { "\(self.position): \(self.severity.rawValue): \(self.message)" }
}

/// Why a configuration, or a part of it, cannot be served; never empty.
package struct ConfigurationError: Error, Sendable, Equatable {
    package let diagnostics: [Diagnostic]

    /// Gathers findings into one error.
    package init(_ diagnostics: [Diagnostic]) {
        self.diagnostics = diagnostics
    }

    /// An error with one finding.
    package init(at position: Position, _ message: String) {
        self.diagnostics = [Diagnostic(.error, at: position, message)]
    }
}

/// Finds the name that the user most likely meant.
package enum NearName {
    /// The candidate nearest to `name`, if it is near enough to be worth naming.
    package static func of(_ name: String, among candidates: some Sequence<String>) -> String? {
        let wanted = Array(name.lowercased().utf8)
        let bound = min(3, (wanted.count + 1) / 3)
        var best: (name: String, distance: Int)?
        for candidate in candidates {
            let distance = Self.distance(wanted, Array(candidate.lowercased().utf8), bound: bound)
            guard distance <= bound, distance < best?.distance ?? .max else { continue }
            best = (candidate, distance)
        }
        return best?.name
    }

    /// The words `; did you mean 'x'?`, or nothing.
    package static func hint(_ name: String, among candidates: some Sequence<String>) -> String {
        self.of(name, among: candidates).map { "; did you mean '\($0)'?" } ?? ""
    }

    /// The edit distance with transpositions (optimal string alignment), or `bound + 1` when it is larger.
    private static func distance(_ a: [UInt8], _ b: [UInt8], bound: Int) -> Int {
        guard abs(a.count - b.count) <= bound else { return bound + 1 }
        var before = [Int](repeating: 0, count: b.count + 1)
        var previous = Array(0...b.count)
        for i in 0..<a.count {
            var current = [i + 1]
            for j in 0..<b.count {
                var cost = min(previous[j + 1] + 1, current[j] + 1, previous[j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, before[j - 1] + 1) }
                current.append(cost)
            }
            before = previous
            previous = current
        }
        return previous[b.count]
    }
}
