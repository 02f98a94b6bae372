// What an operator makes of our pages.
import Foundation
import Gateway
import Proxy
import Testing

@testable import gatehouse

struct ThemeFilesTests {
    private func settings(_ values: [String: String]) throws -> ProgramSettings {
        let written = values.mapValues { WrittenSetting(items: [$0], source: .environment) }
        return try ProgramSettings(written, cores: 1)
    }

    private func file(_ content: [UInt8]) throws -> String {
        let file = FileManager.default.temporaryDirectory.appending(path: "theme-\(UUID().uuidString)")
        try Data(content).write(to: file)
        return file.path
    }

    private static let png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

    @Test func `without settings the look is our own`() throws {
        #expect(try settings([:]).theme.style == PageTheme.standardStyle)
    }

    @Test func `a style follows ours, and the policy allows it by its digest alone`() throws {
        let style = try file(Array(":root{--accent:#080}".utf8))
        let logo = try file(Self.png)
        let theme = try settings(["page_name": "A & B", "page_logo_file": logo, "page_style_file": style])
            .theme
        #expect(theme.style == PageTheme.standardStyle + "\n:root{--accent:#080}")
        let page = Page(title: "t").answer(status: 200, look: theme)
        let html = String(decoding: page.body, as: UTF8.self)
        #expect(html.contains("<style>\(theme.style)</style>"))
        #expect(
            html.contains("<img src=\"data:image/png;base64,iVBORw0KGgo=\" alt=\"\"><span>A &amp; B</span>")
        )
        let policy = page.field("content-security-policy") ?? ""
        #expect(policy.hasPrefix("default-src 'none'; img-src data:; style-src 'sha256-"))
        #expect(!policy.contains("unsafe") && !policy.contains(PageTheme.standardDigest))
    }

    @Test(arguments: [
        ("page_style_file", "</style><script>"), ("page_style_file", "a{}\r\n"), ("page_style_file", ""),
        ("page_style_file", String(repeating: "a", count: 65_537)), ("page_logo_file", "GIF89a"),
        ("page_logo_file", "<html>"), ("page_logo_file", ""),
    ])
    func `what would be read as something else is refused`(name: String, content: String) throws {
        let path = try file(Array(content.utf8))
        #expect(throws: SettingError.self) { try settings([name: path]) }
        #expect(throws: SettingError.self) { try settings([name: path + "-none"]) }
    }
}
