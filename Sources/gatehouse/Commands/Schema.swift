// `gatehouse schema`: the configuration's JSON Schema.
import ArgumentParser
import Control
import Foundation
import JSON

/// Prints the schema, for editors and other tools.
struct Schema: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the configuration's JSON Schema.",
        discussion: "For editors; `gatehouse check` stays the judge of a file."
    )

    @OptionGroup(title: "Settings") var settings: SettingsFlags

    func run() throws {
        let settings = try LookingSettings.read(self.settings)
        print(ConfigurationSchema.json(Plugins.all(try .looking(settings))).serializedString)
    }
}
