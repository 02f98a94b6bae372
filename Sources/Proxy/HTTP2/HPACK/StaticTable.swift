// The table of fields that both sides of HPACK know from the start.

/// The static table of RFC 7541, Appendix A; its first entry has the index 1.
enum StaticTable {
    /// A field: a name in lower case and the value that stands there, if any.
    struct Entry: Sendable {
        let name: [UInt8]
        let value: [UInt8]

        fileprivate init(_ name: StaticString, _ value: StaticString = "") {
            self.name = Array(name.description.utf8)
            self.value = Array(value.description.utf8)
        }
    }

    /// The entry of index `n` is at place `n - 1`.
    static let entries: [Entry] = [
        Entry(":authority"), Entry(":method", "GET"), Entry(":method", "POST"), Entry(":path", "/"),
        Entry(":path", "/index.html"), Entry(":scheme", "http"), Entry(":scheme", "https"),
        Entry(":status", "200"), Entry(":status", "204"), Entry(":status", "206"), Entry(":status", "304"),
        Entry(":status", "400"), Entry(":status", "404"), Entry(":status", "500"), Entry("accept-charset"),
        Entry("accept-encoding", "gzip, deflate"), Entry("accept-language"), Entry("accept-ranges"),
        Entry("accept"), Entry("access-control-allow-origin"), Entry("age"), Entry("allow"),
        Entry("authorization"), Entry("cache-control"), Entry("content-disposition"),
        Entry("content-encoding"), Entry("content-language"), Entry("content-length"),
        Entry("content-location"), Entry("content-range"), Entry("content-type"), Entry("cookie"),
        Entry("date"), Entry("etag"), Entry("expect"), Entry("expires"), Entry("from"), Entry("host"),
        Entry("if-match"), Entry("if-modified-since"), Entry("if-none-match"), Entry("if-range"),
        Entry("if-unmodified-since"), Entry("last-modified"), Entry("link"), Entry("location"),
        Entry("max-forwards"), Entry("proxy-authenticate"), Entry("proxy-authorization"), Entry("range"),
        Entry("referer"), Entry("refresh"), Entry("retry-after"), Entry("server"), Entry("set-cookie"),
        Entry("strict-transport-security"), Entry("transfer-encoding"), Entry("user-agent"), Entry("vary"),
        Entry("via"), Entry("www-authenticate"),
    ]

    /// Names that an answer or a request may have, by length, each with the first index that has it.
    private static let indices: [[(name: [UInt8], index: UInt8)]] = {
        var indices: [[(name: [UInt8], index: UInt8)]] = []
        for (place, entry) in entries.enumerated() {
            while indices.count <= entry.name.count { indices.append([]) }
            guard !indices[entry.name.count].contains(where: { $0.name == entry.name }) else { continue }
            indices[entry.name.count].append((entry.name, UInt8(place + 1)))
        }
        return indices
    }()

    /// The first index that has the name in `range` of `bytes`, in any case; 0 if none has.
    static func index(of range: Range<Int>, in bytes: Span<UInt8>) -> UInt8 {
        guard range.count < Self.indices.count else { return 0 }
        let first = Octet.lowercased(bytes[range.lowerBound])
        search: for candidate in Self.indices[range.count] where candidate.name[0] == first {
            for offset in candidate.name.indices
            where Octet.lowercased(bytes[range.lowerBound &+ offset]) != candidate.name[offset] {
                continue search
            }
            return candidate.index
        }
        return 0
    }
}
