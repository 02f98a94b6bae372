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
        "unix:///s?x=1", "redis://a,b", "redis+sentinel://h", "redis+cluster://h", "redis://u:%ff@h",
    ])
    func `what is no address is refused, without showing it`(url: String) {
        #expect(throws: RedisAddressError.self) { try RedisAddress(url: url) }
    }

    @Test func `an address's title shows neither user nor password`() throws {
        let address = try RedisAddress(url: "rediss://gate:secret@db.example:6380/3")
        #expect(address.title == "rediss://db.example:6380/3")
    }
}
