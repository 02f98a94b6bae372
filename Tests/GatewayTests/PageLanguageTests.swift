// Which language a page speaks, and that it has all of its texts.
import Foundation
import Testing

@testable import Gateway

struct PageLanguageTests {
    @Test(arguments: [
        ("", PageLanguage.english), ("de", .german), ("de-AT,de;q=0.9,en;q=0.8", .german),
        ("en,de", .english),
        ("fr,de;q=0.5", .german), ("fr", .english), ("en;q=0.3, DE ; q=0.4", .german), ("de;q=0", .english),
        ("*", .english), ("*;q=0.1,de;q=0.2", .german), ("fr;q=1,en;q=0.1,de;q=0.1", .english),
        ("de;q=x,en", .english),
        (";;,,=", .english), ("de;q=9,en", .german),
    ])
    func `the language is the one that is wanted most of those there are`(
        field: String,
        language: PageLanguage
    ) {
        #expect(PageLanguage(accepting: [field]) == language)
    }

    @Test func `several fields are one list, and what is very long is not read to its end`() {
        #expect(PageLanguage(accepting: ["fr", "de;q=0.4"]) == .german)
        let long = String(repeating: "fr,", count: 1000) + "de"
        #expect(PageLanguage(accepting: [long]) == .english)
    }

    @Test func `places are filled in order, in each language`() {
        #expect(PageLanguage.english.text("Status {} · request {}", "403", "r") == "Status 403 · request r")
        #expect(PageLanguage.german.text("Status {} · request {}", "403", "r") == "Status 403 · Anfrage r")
        #expect(PageLanguage.german.text("What an operator wrote") == "What an operator wrote")
    }

    /// Every text that a page or a refusal may show, as it stands in the sources.
    private static let texts: [String] = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(
            path: "../../Sources"
        )
        var found: Set<String> = []
        for module in ["Gateway", "Access"] {
            let files = FileManager.default.enumerator(
                at: root.appending(path: module),
                includingPropertiesForKeys: nil
            )
            for case let file as URL in files ?? .init() where file.pathExtension == "swift" {
                let source = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
                for match in source.matches(
                    of:
                        /(?:label:|title:|hint =|message:|message =|text\(|Page\.Link\(.*label:)\s*"([^"\\\n]+)"/
                ) {
                    found.insert(String(match.1))
                }
            }
        }
        // What is said of a configuration is no page.
        return found.filter { !$0.hasPrefix("expected ") && !$0.hasPrefix("redirect_uri:") }.sorted()
    }()

    @Test func `every text of a page has its German`() {
        #expect(Self.texts.count > 20)
        let missing = Self.texts.filter { PageText.german[$0] == nil }
        #expect(missing == [])
    }
}
