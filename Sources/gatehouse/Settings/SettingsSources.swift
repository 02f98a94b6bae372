// Lays flags over the environment over the settings file.
import Control
import Gateway

/// The three places a setting may be written, and what was found there.
struct SettingsSources: Sendable {
    var flags: [String: String]
    var environment: [String: String]
    /// The settings file's name and its text; `nil` where none was named.
    var file: (name: String, text: [UInt8])?

    /// One value a setting, by name, and what to warn about.
    ///
    /// - Throws: `SettingError` for an unknown key of the file, or one that holds more than words.
    func written() throws(SettingError) -> (settings: [String: WrittenSetting], warnings: [String]) {
        var settings = try self.fromFile()
        var warnings: [String] = []
        for (variable, value) in self.environment.sorted(by: { $0.key < $1.key })
        where variable.hasPrefix("GATEHOUSE_") && !SettingsSources.besides.contains(variable) {
            guard let setting = Setting.all.first(where: { $0.variable == variable }) else {
                warnings.append("the variable \(variable) names no setting and is passed over")
                continue
            }
            settings[setting.name] = SettingsSources.write(value, setting, .environment)
        }
        for (name, value) in self.flags {
            guard let setting = Setting.named(name) else { continue }
            settings[name] = SettingsSources.write(value, setting, .flag)
        }
        return (settings, warnings)
    }

    /// Variables that name files rather than settings.
    static let besides: Set<String> = ["GATEHOUSE_CONFIG", "GATEHOUSE_SETTINGS"]

    private static func write(_ value: String, _ setting: Setting, _ source: SettingSource) -> WrittenSetting
    {
        WrittenSetting(items: setting.isList ? SettingReader.items(value) : [trimmed(value)], source: source)
    }

    private func fromFile() throws(SettingError) -> [String: WrittenSetting] {
        guard let file = self.file else { return [:] }
        let document: [SettingsFile.Entry]
        do throws(ConfigurationError) {
            document = try SettingsFile.entries(of: file.text, name: file.name)
        } catch {
            throw SettingError(error.diagnostics.map(\.description).joined(separator: "\n"))
        }
        var settings: [String: WrittenSetting] = [:]
        for entry in document {
            guard let setting = Setting.named(entry.name) else {
                let hint = NearName.hint(entry.name, among: Setting.all.map(\.name))
                throw SettingError("\(entry.place): error: no setting is called '\(entry.name)'\(hint)")
            }
            settings[setting.name] = WrittenSetting(
                items: setting.isList ? entry.values.flatMap { SettingReader.items($0) } : entry.values,
                source: .file(entry.place)
            )
        }
        return settings
    }
}
