// Names and values as forms and queries carry them.

/// The encoding of `application/x-www-form-urlencoded`, with spaces as `%20` so that it is a query's too.
package enum FormEncoding {
    /// Encodes all but unreserved characters (RFC 3986 §2.3).
    package static func encode(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        var result: [UInt8] = []
        for byte in bytes {
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e: result.append(byte)
            default: result += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return result
    }

    /// Encodes a text.
    package static func encode(_ text: String) -> String {
        String(decoding: self.encode(text.utf8), as: UTF8.self)
    }

    /// Joins pairs with `=` and `&`.
    package static func encode(_ pairs: [(String, String)]) -> String {
        pairs.map { "\(self.encode($0.0))=\(self.encode($0.1))" }.joined(separator: "&")
    }

    /// Appends pairs to a URL that may have a query already.
    package static func append(_ pairs: [(String, String)], to url: String) -> String {
        let mark = !url.contains("?") ? "?" : url.hasSuffix("?") || url.hasSuffix("&") ? "" : "&"
        return url + mark + self.encode(pairs)
    }
}
