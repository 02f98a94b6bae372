// docs/configuration.md and the JSON Schema say what files may hold.
import Access
import Control
import Foundation
import Gateway
import JSON
import Testing

@testable import gatehouse

struct ConfigurationManualTests {
    private func kinds() throws -> [PluginKind] {
        let sources = SettingsSources(flags: [:], environment: [:], file: nil)
        let settings = try ProgramSettings(sources.written().settings, cores: 1)
        return Plugins.all(try .looking(settings))
    }

    @Test func `the manual's page is what the tables say`() throws {
        let page = ConfigurationManual.markdown(try self.kinds())
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")
        let file = root.appending(path: "docs/configuration.md")
        if ProcessInfo.processInfo.environment["GATEHOUSE_WRITE_MANUAL"] == "1" {
            try page.write(to: file, atomically: true, encoding: .utf8)
        }
        #expect(try String(contentsOf: file, encoding: .utf8) == page)
    }

    @Test func `every field that is served has a word of help`() throws {
        for kind in try self.kinds() {
            for field in kind.schema where field.status == .served {
                #expect(!field.help.isEmpty, "\(kind.name).\(field.name)")
            }
        }
    }

    @Test func `the schema knows every plugin and refuses unknown names`() throws {
        let schema = ConfigurationSchema.json(try self.kinds())
        #expect(schema["additionalProperties"] == false)
        #expect(schema["required"] == ["_format_version"])
        for name in [
            "openid-connect", "key-auth", "acl", "cors", "correlation-id", "ip-restriction", "rate-limiting",
            "request-termination", "request-transformer", "response-transformer",
        ] {
            let config = try #require(schema.value(at: ["$defs", "config-\(name)"]))
            #expect(config["additionalProperties"] == false, "\(name)")
        }
        #expect(
            schema.value(at: ["$defs", "service", "properties", "routes", "items", "$ref"]) == "#/$defs/route"
        )
    }

    @Test func `every reference within the schema leads somewhere`() throws {
        let schema = ConfigurationSchema.json(try self.kinds())
        let definitions = try #require(schema["$defs"]?.object)
        var open = [schema]
        var count = 0
        while let value = open.popLast() {
            if let reference = value["$ref"]?.string {
                count += 1
                #expect(definitions[String(reference.dropFirst("#/$defs/".count))] != nil, "\(reference)")
            }
            open.append(contentsOf: value.object.map { Array($0.values) } ?? value.array ?? [])
        }
        #expect(count > 10)
    }
}
