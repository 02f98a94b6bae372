// A configuration file as the server reads it.
import Access
import Foundation
import Gateway
import Testing

@testable import gatehouse

struct ConfigurationFileTests {
    private func read(_ text: String) throws -> ConfigurationFile.Reading {
        let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).yaml").path
        try Data(text.utf8).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let settings = try ProgramSettings([:], cores: 1)
        return ConfigurationFile(path: path, environment: [:], services: try .looking(settings)).read()
    }

    private func file(path: String) -> String {
        """
        _format_version: "3.0"
        services:
        - name: s
          url: http://127.0.0.1:1
          routes:
          - {name: r, paths: ["\(path)"]}
        """
    }

    @Test func `a route behind one of our own paths is a warning, one beside it is none`() throws {
        let hidden = try self.read(self.file(path: "/oauth2/auth"))
        #expect(hidden.plan != nil)
        #expect(
            hidden.warnings.map(\.message).contains { $0.contains("hides behind our own '/oauth2/auth'") }
        )
        #expect(try self.read(self.file(path: "/oauth2/authors")).warnings.isEmpty)
    }

    @Test func `a file that is not there is an error with its name`() throws {
        let services = try AccessServices.looking(ProgramSettings([:], cores: 1))
        let reading = ConfigurationFile(path: "/nowhere.yaml", environment: [:], services: services).read()
        #expect(reading.plan == nil)
        #expect(reading.errors.map(\.description) == ["/nowhere.yaml:1:1: error: the file cannot be read"])
    }
}
