// Service path and request path are joined as Kong's v0 joins them.
import Testing

@testable import Gateway

struct UpstreamTargetTests {
    /// Kong's documented table for `path_handling: v0`: service path, route path, request, strip_path, upstream.
    static let rows: [(base: String, route: String, path: String, strips: Bool, upstream: String)] = [
        ("/", "/", "/", true, "/"), ("/", "/", "/req", true, "/req"), ("/", "/a", "/a", true, "/"),
        ("/", "/a", "/a/", true, "/"), ("/", "/a", "/a/b", true, "/b"), ("/", "/a/", "/a/b", true, "/b"),
        ("/", "/a", "/ab", true, "/b"), ("/", "/a", "/a/b", false, "/a/b"), ("/", "/a", "/a", false, "/a"),
        ("/s", "/", "/", true, "/s"), ("/s", "/", "/req", true, "/s/req"), ("/s", "/a", "/a", true, "/s"),
        ("/s", "/a", "/a/", true, "/s/"), ("/s", "/a", "/a/b", true, "/s/b"),
        ("/s", "/a", "/ab", true, "/s/b"), ("/s", "/a", "/a/b", false, "/s/a/b"),
        ("/s", "/", "/", false, "/s"),
        ("/s/", "/a", "/a", true, "/s"), ("/s/", "/a/", "/a/", true, "/s/"),
        ("/s/", "/a", "/a/b", true, "/s/b"),
        ("/s/", "/a", "/ab", true, "/s/b"), ("/s/", "/a", "/a/b", false, "/s/a/b"),
        ("/s/", "/", "/", false, "/s/"),
    ]

    @Test(arguments: rows.indices)
    func `a path is joined as in the table`(index: Int) {
        let row = Self.rows[index]
        let target = UpstreamTarget.path(
            of: Array(row.path.utf8)[...],
            matched: row.route.utf8.count,
            strips: row.strips,
            base: Array(row.base.utf8)
        )
        #expect(String(decoding: target, as: UTF8.self) == row.upstream, "\(row)")
        if UpstreamTarget.isUnchanged(
            matched: row.route.utf8.count,
            strips: row.strips,
            base: Array(row.base.utf8)
        ) {
            #expect(row.upstream == row.path)
        }
    }
}
