// Service path and request path are joined as Kong joins them.
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

    /// The same for `path_handling: v1`; a route without paths is an empty one.
    static let olderRows: [(base: String, route: String, path: String, strips: Bool, upstream: String)] = [
        ("/", "/", "/", true, "/"), ("/", "/", "/a/", false, "/a/"), ("/", "/a", "/ab", true, "/b"),
        ("/", "/a", "/a/", true, "/"), ("/", "/a/", "/a/b", true, "/b"), ("/", "/a", "/ab", false, "/ab"),
        ("/s", "/a", "/ab", false, "/sab"), ("/s", "/a", "/ab", true, "/sb"),
        ("/s/", "/a", "/a", false, "/s/a"),
        ("/s/", "/a", "/a", true, "/s/"), ("/s", "/", "/", true, "/s"), ("/s", "/", "/", false, "/s"),
        ("/s", "/", "/a/b", true, "/sa/b"), ("/s", "/a", "/a", true, "/s"), ("/s", "/a", "/a/", true, "/s/"),
        ("/s", "/a/", "/a/", true, "/s"), ("/s", "/a/", "/a/b", true, "/sb"),
        ("/s/", "/a", "/a/b", true, "/s/b"),
        ("/s/", "/a", "/ab", true, "/s/b"), ("/s/", "/a/", "/a/b", false, "/s/a/b"),
        ("/", "", "/a", true, "/a"), ("/s", "", "/a", true, "/sa"), ("/s", "", "/a", false, "/sa"),
        ("/s/", "", "/", true, "/s/"), ("/s/", "", "/a/", true, "/s/a/"),
    ]

    @Test(arguments: olderRows.indices)
    func `a path is joined as in the older table`(index: Int) {
        let row = Self.olderRows[index]
        let target = UpstreamTarget.path(
            of: Array(row.path.utf8)[...],
            matched: row.route.utf8.count,
            strips: row.strips,
            base: Array(row.base.utf8),
            .v1
        )
        #expect(String(decoding: target, as: UTF8.self) == row.upstream, "\(row)")
    }

    /// P3: dots that are part of a segment for the route are none for the upstream.
    @Test(arguments: [
        ("/", "/a", "/a../b", "/b"), ("/s", "/a", "/a../b", "/s/b"), ("/s/", "/a", "/a../b", "/s/b"),
        ("/s/", "/a", "/a..", "/s"), ("/s", "/a", "/a..", "/s"), ("/s", "/a", "/a./b", "/s/b"),
        ("/s", "/a", "/a.", "/s"), ("/s", "/a", "/a.../b", "/s/.../b"), ("/s", "/a", "/a..b", "/s/..b"),
        ("/s", "/a", "/a../", "/s/"), ("/s", "/a", "/a.b/c", "/s/.b/c"),
    ])
    func `P3 no stripped prefix makes a way out of the service's path`(
        base: String,
        route: String,
        path: String,
        upstream: String
    ) {
        let target = UpstreamTarget.path(
            of: Array(path.utf8)[...],
            matched: route.utf8.count,
            strips: true,
            base: Array(base.utf8)
        )
        #expect(String(decoding: target, as: UTF8.self) == upstream)
        for handling in [PathHandling.v0, .v1] {
            let joined = UpstreamTarget.path(
                of: Array(path.utf8)[...],
                matched: route.utf8.count,
                strips: true,
                base: Array(base.utf8),
                handling
            )
            let segments = joined.split(separator: UInt8(ascii: "/"))
            #expect(!segments.contains { $0 == [0x2E] || $0 == [0x2E, 0x2E] })
        }
    }
}
