// Where a Redis is: what is read, and what is refused with a sentence.
import Testing

@testable import Store

struct RedisAddressTests {
    @Test func `a URL says place, user, database and TLS`() throws {
        var wanted = RedisAddress(.tcp(host: "db.example", port: 6380))
        wanted.user = "gate"
        wanted.password = "p:ss/word"
        wanted.database = 3
        #expect(try RedisAddress(url: "redis://gate:p:ss%2Fword@db.example:6380/3") == wanted)
        wanted.tls = RedisAddress.TLS()
        #expect(try RedisAddress(url: "rediss://gate:p:ss%2Fword@db.example:6380/3") == wanted)
        #expect(try RedisAddress(url: "redis://h") == RedisAddress(.tcp(host: "h", port: 6379)))
        #expect(try RedisAddress(url: "redis://[::1]:7/") == RedisAddress(.tcp(host: "::1", port: 7)))
        #expect(try RedisAddress(url: "unix:///run/r.sock") == RedisAddress(.socket(path: "/run/r.sock")))
        var socket = RedisAddress(.socket(path: "/run/r.sock"))
        socket.database = 2
        #expect(try RedisAddress(url: "unix:///run/r.sock?db=2") == socket)
        var passwordAlone = RedisAddress(.tcp(host: "h", port: 6379))
        passwordAlone.password = "s"
        #expect(try RedisAddress(url: "redis://:s@h") == passwordAlone)
    }

    @Test(arguments: [
        "", "redis", "redis:/h", "http://h", "redis://", "redis://:6379", "redis://h:0", "redis://h:65536",
        "redis://h:x", "redis://h/x", "redis://h/-1", "redis://h?x=1", "redis://user@h", "redis://user:@h",
        "redis://u:%zz@h", "redis://::1", "redis://[::1", "redis://[::1]x", "redis://h h", "unix://relative",
        "unix:///s?x=1", "redis://a,b", "redis+sentinel://h", "redis+cluster://", "redis://u:%ff@h",
    ])
    func `what is no address is refused, without showing it`(url: String) {
        #expect(throws: RedisAddressError.self) { try RedisAddress(url: url) }
    }

    @Test func `a URL says sentinels, the name of their master, and who we are at both`() throws {
        var sentinels = RedisAddress.Sentinels(
            master: "my-master",
            nodes: [
                RedisAddress.Node(host: "a.example", port: 26_379), RedisAddress.Node(host: "::1", port: 7),
            ]
        )
        var wanted = RedisAddress(.sentinels(sentinels))
        #expect(try RedisAddress(url: "redis+sentinel://a.example,[::1]:7/my-master") == wanted)
        #expect(try RedisAddress(url: "redis-sentinel://a.example:26379,[::1]:7/my-master/") == wanted)
        (sentinels.user, sentinels.password) = ("watch", "s&=ret")
        wanted.place = .sentinels(sentinels)
        (wanted.user, wanted.password, wanted.database) = ("gate", "p@ss", 3)
        wanted.tls = RedisAddress.TLS()
        let url =
            "rediss+sentinel://gate:p%40ss@a.example,[::1]:7/my-master/3"
            + "?sentinel_username=watch&sentinel_password=s%26%3Dret"
        #expect(try RedisAddress(url: url) == wanted)
        #expect(wanted.title == "rediss+sentinel://a.example:26379,[::1]:7/my-master/3")
        #expect(wanted.sentinels == sentinels)
        #expect(RedisAddress(.socket(path: "/s")).sentinels == nil)
    }

    @Test(arguments: [
        "redis+sentinel://", "redis+sentinel://h", "redis+sentinel://h/", "redis+sentinel://h/0",
        "redis+sentinel://h,/m", "redis+sentinel://,h/m", "redis+sentinel:///m", "redis+sentinel://h:0/m",
        "redis+sentinel://h/m/x", "redis+sentinel://h/m/-1", "redis+sentinel://h/m/0/0",
        "redis+sentinel://h/m%20m", "redis+sentinel://h/m%0A", "redis+sentinel://h/m?x=1",
        "redis+sentinel://h/m?sentinel_password=", "redis+sentinel://h/m?sentinel_password",
        "redis+sentinel://h/m?sentinel_username=u", "redis+sentinel://u@h/m", "redis+sentinel://h/m#f",
        "redis+sentinel://h/m?sentinel_password=a&sentinel_password=b", "redis+cluster://h,h/m",
        "redis+sentinel://h/m?sentinel_password=%zz", "redis+sentinel://::1/m",
    ])
    func `what is no address of sentinels is refused, without showing it`(url: String) {
        let error = #expect(throws: RedisAddressError.self) { try RedisAddress(url: url) }
        #expect(error?.description.contains("%") == false)
    }

    @Test func `a URL says servers of a cluster`() throws {
        let nodes = [
            RedisAddress.Node(host: "a.example", port: 6379), RedisAddress.Node(host: "::1", port: 7),
        ]
        var wanted = RedisAddress(.cluster(RedisAddress.Cluster(nodes: nodes)))
        for url in ["redis+cluster://a.example,[::1]:7", "redis-cluster://a.example:6379,[::1]:7/0"] {
            #expect(try RedisAddress(url: url) == wanted)
        }
        (wanted.user, wanted.password, wanted.tls) = ("gate", "p@ss", RedisAddress.TLS())
        #expect(try RedisAddress(url: "rediss+cluster://gate:p%40ss@a.example,[::1]:7/") == wanted)
        #expect(wanted.title == "rediss+cluster://a.example:6379,[::1]:7")
        #expect(wanted.cluster?.maximumRedirections == 5 && wanted.sentinels == nil)
    }

    @Test(arguments: [
        "redis+cluster://", "redis+cluster:///0", "redis+cluster://h,", "redis+cluster://,h",
        "redis+cluster://h:0",
        "redis+cluster://h/1", "redis+cluster://h/m", "redis+cluster://h?x=1", "redis+cluster://u@h",
        "redis+cluster://h#f", "redis+cluster://h/0/0", "redis+cluster://::1",
    ])
    func `what is no address of a cluster is refused`(url: String) {
        #expect(throws: RedisAddressError.self) { try RedisAddress(url: url) }
    }

    @Test func `an address's title shows neither user nor password`() throws {
        let address = try RedisAddress(url: "rediss://gate:secret@db.example:6380/3")
        #expect(address.title == "rediss://db.example:6380/3")
    }
}
