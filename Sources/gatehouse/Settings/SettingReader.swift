// Reads one setting's words into its type, or says what was expected.
import Access
import Logging
import Names
import Proxy
import Store

/// Typed reads of settings as they were written.
struct SettingReader {
    let written: [String: WrittenSetting]

    /// The items of a list; the default where nothing was written.
    func list(_ name: String) -> [String] {
        if let written = self.written[name] { return written.items }
        return SettingReader.items(Setting.named(name)?.standard ?? "")
    }

    /// Words apart by commas, without the space around them; empty ones are left out.
    static func items(_ text: some StringProtocol) -> [String] {
        text.split(separator: ",").map { trimmed($0) }.filter { !$0.isEmpty }
    }

    /// The one value of a setting.
    func text(_ name: String) throws(SettingError) -> String {
        let items = self.list(name)
        guard items.count == 1, let only = items.first, !only.isEmpty else {
            throw self.error(name, "expected one value, found \(items.count)")
        }
        return only
    }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(SettingError) -> Int {
        let text = try self.text(name)
        guard let value = Int(text), range.contains(value) else {
            throw self.error(
                name,
                "expected a whole number from \(range.lowerBound) to \(range.upperBound), found '\(text)'"
            )
        }
        return value
    }

    func flag(_ name: String) throws(SettingError) -> Bool {
        let text = try self.text(name)
        switch text.lowercased() {
        case "true", "on", "yes", "1": return true
        case "false", "off", "no", "0": return false
        default: throw self.error(name, "expected 'true' or 'false', found '\(text)'")
        }
    }

    /// The least level that is written.
    func logLevel(_ name: String) throws(SettingError) -> Logger.Level {
        guard let level = Logger.Level(rawValue: try self.text(name)) else {
            throw self.error(name, "one of trace, debug, info, notice, warning, error, critical")
        }
        return level
    }

    /// How lines are written.
    func logFormat(_ name: String) throws(SettingError) -> LogFormat {
        guard let format = LogFormat(rawValue: try self.text(name)) else {
            throw self.error(name, "'json' or 'text'")
        }
        return format
    }

    /// A path that begins with a slash and does not end with one.
    func pathPrefix(_ name: String) throws(SettingError) -> String {
        let text = try self.text(name)
        let allowed = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "_"),
                UInt8(ascii: "-"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard allowed, text.hasPrefix("/"), text.count > 1, !text.hasSuffix("/"), !text.contains("//"),
            !text.split(separator: "/").contains(where: { $0 == "." || $0 == ".." })
        else {
            throw self.error(
                name,
                "expected a path such as /oauth2: letters, digits, '_', '-', '.', no slash at the end"
            )
        }
        return text
    }

    func listeners(_ name: String) throws(SettingError) -> [ListenSetting] {
        let items = self.list(name)
        if items == ["off"] { return [] }
        guard !items.isEmpty else {
            throw self.error(name, "expected an address such as 0.0.0.0:8000, or 'off'")
        }
        var all: [ListenSetting] = []
        for item in items {
            switch ListenSetting.parse(item) {
            case .success(let listener): all.append(listener)
            case .failure(let mend): throw self.error(name, mend.description)
            }
        }
        return all
    }

    /// `cookie`, or the URL of a Redis; what is wrong with that is said without showing it, for it may hold a password.
    func sessionStorage(_ name: String) throws(SettingError) -> SessionStorage {
        let text = try self.text(name)
        if text == "cookie" { return .cookie }
        do throws(RedisAddressError) { return .redis(try RedisAddress(url: text)) } catch {
            throw self.error(name, "expected 'cookie' or the URL of a Redis: \(error)")
        }
    }

    /// Servers of DNS: addresses, each with a port or without.
    func nameServers(_ name: String) throws(SettingError) -> [NameServer] {
        let items = self.list(name)
        guard items.count <= NameServer.most else {
            throw self.error(name, "expected at most \(NameServer.most) servers, found \(items.count)")
        }
        var servers: [NameServer] = []
        for item in items {
            guard let server = NameServer(item) else {
                throw self.error(
                    name,
                    "expected addresses such as 10.0.0.2, 10.0.0.2:8600 or [::1]:53, found '\(item)'"
                )
            }
            servers.append(server)
        }
        return servers
    }

    /// `refuse`, which is 0, or `grace=SECONDS`.
    func grace(_ name: String) throws(SettingError) -> Double {
        let text = try self.text(name)
        if text == "refuse" { return 0 }
        guard text.hasPrefix("grace="), let seconds = Int(text.dropFirst(6)), (1...86_400).contains(seconds)
        else { throw self.error(name, "expected 'refuse' or 'grace=SECONDS', from 1 to 86400") }
        return Double(seconds)
    }

    /// Refuses every value but one, for what is not served yet.
    func only(_ value: String, _ name: String, _ mend: String) throws(SettingError) {
        guard self.list(name) == [value] else { throw self.error(name, mend) }
    }

    func error(_ name: String, _ mend: String) -> SettingError {
        SettingError(name, from: self.written[name]?.source ?? .standard, mend)
    }
}

/// `text` without spaces and tabs at its ends.
func trimmed(_ text: some StringProtocol) -> String {
    let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
    guard let first = text.firstIndex(where: { !isBlank($0) }),
        let last = text.lastIndex(where: { !isBlank($0) })
    else { return "" }
    return String(text[first...last])
}

extension NameServer {
    /// Reads an address with a port or without, in brackets if it is one of IPv6 with a port; nil if it is none.
    init?(_ text: String) {
        let host: Substring
        var port: UInt16? = 53
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            host = text[text.index(after: text.startIndex)..<end]
            let rest = text[text.index(after: end)...]
            if !rest.isEmpty { port = rest.hasPrefix(":") ? UInt16(rest.dropFirst()) : nil }
        } else if let colon = text.firstIndex(of: ":"), text.lastIndex(of: ":") == colon {
            host = text[..<colon]
            port = UInt16(text[text.index(after: colon)...])
        } else {
            host = text[...]
        }
        guard let port, let address = IPAddress(String(host)) else { return nil }
        self.init(address: address.octets, port: port)
    }
}
