// Golden files: an input, `---`, and the plan or the errors that come of it.
import Foundation
import Gateway
import JSON
import Testing

@testable import Control

struct DeclarativeFileTests {
    static let environment = [
        "DECK_HOST": "from.env", "DECK_PORT": "9090", "DECK_EMPTY": "", "CLIENT_SECRET": "s3cret",
        "APP_KEY": "k-1",
        "DECK_TRICK": "x\n  plugins: []", "DECK_DIGITS": "0123",
    ]

    @Test(arguments: Golden.names)
    func `a file gives its plan or its errors`(name: String) throws {
        let golden = try Golden(name)
        let text = Self.outcome(golden.input)
        if ProcessInfo.processInfo.environment["GATEHOUSE_WRITE_GOLDEN"] == "1" { try golden.write(text) }
        #expect(text == golden.expected, "\(name):\n\(text)")
    }

    /// What a file gives, in words.
    static func outcome(_ input: String) -> String {
        let loaded = DeclarativeFile.load(
            input,
            name: "f.yaml",
            environment: Self.environment,
            kinds: TestKinds.all
        )
        var lines = loaded.diagnostics.map(\.description)
        if let configuration = loaded.configuration {
            do throws(ConfigurationError) {
                let plan = try Plan(configuration, kinds: TestKinds.all)
                lines += PlanText.lines(configuration, plan)
            } catch {
                lines += error.diagnostics.map(\.description)
            }
        }
        return lines.joined(separator: "\n")
    }

    @Test func `a file that is not UTF-8 is an error`() {
        let loaded = DeclarativeFile.load([0x61, 0xFF], name: "f", environment: [:], kinds: [])
        #expect(loaded.configuration == nil)
        #expect(loaded.diagnostics.map(\.description) == ["f:1:1: error: the file is not UTF-8"])
    }

    @Test func `nesting without end is an error, not a crash`() {
        let deep = String(repeating: "[", count: 5000)
        let text = "_format_version: \"3.0\"\nservices: \(deep)"
        let loaded = DeclarativeFile.load(text, name: "f", environment: [:], kinds: [])
        #expect(loaded.configuration == nil)
        #expect(loaded.diagnostics.count == 1)
    }

    @Test func `aliases that multiply are stopped`() {
        var text = "_comment:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...5 {
            let before = String(repeating: "*a\(level - 1), ", count: 9) + "*a\(level - 1)"
            text += "  a\(level): &a\(level) [\(before)]\n"
        }
        let (_, diagnostics) = YAMLDocument.read(text, file: "f", nodeLimit: 10_000)
        #expect(diagnostics.map(\.message) == ["the file is too large or nested too deeply"])
    }

    @Test func `ids are the same in every load`() throws {
        let text = "_format_version: \"3.0\"\nconsumers:\n- username: carla\n"
        let ids = (0..<2).map { _ in
            DeclarativeFile.load(text, name: "f", environment: [:], kinds: []).configuration?.consumers[0].id
        }
        #expect(ids[0] == ids[1])
        #expect(ids[0]?.count == 36)
    }
}

/// One golden file.
struct Golden {
    let input: String
    let expected: String
    private let path: String

    private static let folder = #filePath.split(separator: "/").dropLast().joined(separator: "/")

    static let names = [
        "nested", "flat", "references", "references-wrong", "quoting", "unknown", "unserved",
        "certificates-wrong", "duplicates",
        "bindings", "routes-wrong",
        "services-wrong", "consumers-wrong", "yaml-wrong", "yaml-twice", "merge", "tests-wrong",
        "settings-wrong",
        "empty", "groups", "grpc", "upstreams", "upstreams-wrong",
    ]

    init(_ name: String) throws {
        self.path = "/\(Self.folder)/Golden/\(name).golden"
        let text = try TextFile.read(self.path)
        let parts = text.split(separator: "\n---\n", maxSplits: 1, omittingEmptySubsequences: false)
        self.input = String(parts[0]) + "\n"
        self.expected = parts.count > 1 ? String(parts[1].dropLast(parts[1].hasSuffix("\n") ? 1 : 0)) : ""
    }

    /// Takes what came out for what is expected from now on; to be read before it is committed.
    func write(_ outcome: String) throws {
        try TextFile.write("\(self.input)---\n\(outcome)\n", to: self.path)
    }
}
