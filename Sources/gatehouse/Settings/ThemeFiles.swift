// What an operator makes of our pages: a name, a picture, a style.
import Cryptography
import Foundation
import Gateway

/// Reads the files that our pages are dressed with.
enum ThemeFiles {
    /// Largest file that is taken, in octets: every page carries it.
    static let maximumBytes = 65_536

    /// The look that the settings ask for.
    static func theme(_ read: SettingReader) throws(SettingError) -> PageTheme {
        let name = read.list("page_name").joined(separator: ", ")
        let logo = try read.list("page_logo_file").first.map { path throws(SettingError) in
            try Self.picture(path, read)
        }
        let more = try read.list("page_style_file").first.map { path throws(SettingError) in
            try Self.style(path, read)
        }
        if name.isEmpty, logo == nil, more == nil { return .plain }
        let style = PageTheme.standardStyle + (more.map { "\n\($0)" } ?? "")
        do throws(CryptoError) {
            let digest = Data(try Digest.sha256.hash(utf8: style)).base64EncodedString()
            return PageTheme(name: name, logo: logo, style: style, digest: digest)
        } catch {
            throw read.error("page_style_file", "expected a style whose digest can be made: \(error)")
        }
    }

    private static func content(
        _ name: String,
        _ path: String,
        _ read: SettingReader
    ) throws(SettingError) -> Data {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw read.error(name, "expected a file that can be read, found '\(path)'")
        }
        guard !data.isEmpty, data.count <= Self.maximumBytes else {
            throw read.error(name, "expected a file of 1 to \(Self.maximumBytes) octets, found \(data.count)")
        }
        return data
    }

    /// A picture as a `data:` URL, by its first octets: a browser must not guess.
    private static func picture(_ path: String, _ read: SettingReader) throws(SettingError) -> String {
        let data = try Self.content("page_logo_file", path, read)
        let kinds: [(String, [UInt8])] = [
            ("image/png", [0x89, 0x50, 0x4E, 0x47]), ("image/jpeg", [0xFF, 0xD8, 0xFF]),
            ("image/webp", [0x52, 0x49, 0x46, 0x46]), ("image/svg+xml", Array("<svg".utf8)),
            ("image/svg+xml", Array("<?xml".utf8)),
        ]
        guard let kind = kinds.first(where: { data.starts(with: $0.1) })?.0 else {
            throw read.error("page_logo_file", "expected a PNG, JPEG, WebP or SVG picture")
        }
        return "data:\(kind);base64,\(data.base64EncodedString())"
    }

    private static func style(_ path: String, _ read: SettingReader) throws(SettingError) -> String {
        let data = try Self.content("page_style_file", path, read)
        guard let text = String(validating: data, as: UTF8.self), !text.contains("<"), !text.contains("\r"),
            !text.unicodeScalars.contains("\0")
        else {
            throw read.error("page_style_file", "expected CSS in UTF-8 without '<', with plain line ends")
        }
        return text
    }
}
