// The manual's tables say what the code does.
import Foundation
import Testing

@testable import gatehouse

struct DocumentationTests {
    /// The lines of a page between two marks.
    private func table(_ page: String, _ mark: String) throws -> String {
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")
        let text = try String(contentsOf: root.appending(path: "docs/\(page)"), encoding: .utf8)
        let parts = text.components(separatedBy: "<!-- \(mark): begin -->\n")
        return parts.last?.components(separatedBy: "<!-- \(mark): end -->").first ?? ""
    }

    @Test func `the settings in operations are those of the program`() throws {
        var expected = "| setting | default | what it is for |\n| --- | --- | --- |\n"
        for setting in Setting.all {
            let standard = setting.standard.isEmpty ? "" : "`\(setting.standard)`"
            expected += "| `\(setting.name)` | \(standard) | \(setting.help) |\n"
        }
        #expect(try self.table("operations.md", "settings") == expected)
    }
}
