// In which language a page speaks.
import Proxy

/// A language that our pages speak, by its tag.
package enum PageLanguage: String, Sendable, CaseIterable {
    case english = "en"
    case german = "de"

    /// The language that whoever asks wants most of those that there are; English where nothing fits.
    ///
    /// RFC 9110 §12.5.4, by the first part of each tag; of equal weights the first counts.
    ///
    /// - Parameter fields: the values of `Accept-Language`.
    package init(accepting fields: [String]) {
        var best: (language: PageLanguage, weight: Double) = (.english, 0)
        for range in fields.joined(separator: ",").utf8.prefix(512).split(separator: UInt8(ascii: ",")) {
            let parts = range.split(separator: UInt8(ascii: ";")).map { part in
                String(decoding: part, as: UTF8.self).filter { $0 != " " && $0 != "\t" }.lowercased()
            }
            guard let tag = parts.first?.split(separator: "-").first else { continue }
            let language = tag == "*" ? .english : PageLanguage(rawValue: String(tag))
            let weight =
                parts.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
            if let language, weight > best.weight { best = (language, min(weight, 1)) }
        }
        self = best.language
    }

    /// An English text of ours in this language; what is not known is shown as it is.
    package func text(_ english: String) -> String {
        switch self {
        case .english: english
        case .german: PageText.german[english] ?? english
        }
    }

    /// A text with places, each `{}` filled with the next of `values`.
    package func text(_ english: String, _ values: String...) -> String {
        let parts = self.text(english).split(separator: "{}", omittingEmptySubsequences: false)
        var result = ""
        for (index, part) in parts.enumerated() {
            result += part
            if index < parts.count - 1, index < values.count { result += values[index] }
        }
        return result
    }
}

extension Passage {
    /// The language that the client wants to read.
    package var language: PageLanguage {
        PageLanguage(accepting: self.request.fields.strings(of: "accept-language"))
    }
}
