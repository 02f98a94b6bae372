// Slots of keys, redirections, and what a cluster's server says of it.
import Testing

@testable import Store

struct ClusterSlotsTests {
    private typealias Node = RedisAddress.Node

    // The specification's own example, and what `CLUSTER KEYSLOT` of Redis 7.0 says of the others.
    @Test func `the checksum and the slots are the specification's`() {
        #expect(HashSlot.checksum(Array("123456789".utf8)[...]) == 0x31C3)
        let slots = [
            "": 0, "foo": 12182, "somekey": 11058, "foo{hash_tag}": 2515, "{user1000}.following": 3443,
            "{user1000}.followers": 3443, "gatehouse:endings": 11521,
        ]
        for (key, slot) in slots { #expect(HashSlot.slot(of: Array(key.utf8)) == slot, "\(key)") }
    }

    @Test func `only what lies between the first braces counts, and nothing between them is no tag`() {
        func slot(_ key: String) -> Int { HashSlot.slot(of: Array(key.utf8)) }
        func whole(_ key: String) -> Int { Int(HashSlot.checksum(Array(key.utf8)[...])) % 16_384 }
        #expect(slot("foo{}{bar}") == whole("foo{}{bar}"))
        #expect(slot("foo{{bar}}zap") == whole("{bar"))
        #expect(slot("foo{bar}{zap}") == whole("bar"))
        #expect(slot("foo}{bar") == whole("foo}{bar"))
    }

    @Test func `a redirection names slot and server`() {
        #expect(
            Redirection(error: "MOVED 3999 10.0.0.1:6381")
                == Redirection(slot: 3999, host: "10.0.0.1", port: 6381)
        )
        #expect(
            Redirection(error: "ASK 7 ::1:6381")
                == Redirection(slot: 7, host: "::1", port: 6381, isForOnce: true)
        )
        let same = Redirection(error: "MOVED 0 :7001")
        #expect(same?.target(by: Node(host: "h", port: 1)) == Node(host: "h", port: 7001))
        for text in [
            "MOVED", "MOVED 1", "MOVED 1 h", "MOVED x h:1", "MOVED 16384 h:1", "MOVED -1 h:1", "MOVED 1 h:0",
            "MOVED 1 ?:1", "ERR MOVED 1 h:1", "TRYAGAIN 1 h:1",
        ] { #expect(Redirection(error: text) == nil, "\(text)") }
    }

    static func text(_ text: String) -> RedisReply { .bulk(Array(text.utf8)) }
    static func info(_ state: String = "ok", epoch: Int = 1) -> RedisReply {
        text("cluster_state:\(state)\r\ncluster_current_epoch:\(epoch)\r\ncluster_my_epoch:1\r\n")
    }
    static func range(_ first: Int64, _ last: Int64, _ host: RedisReply, _ port: Int64 = 1) -> RedisReply {
        .array([
            .integer(first), .integer(last), .array([host, .integer(port), text("id"), .array([])]),
            .array([text("replica"), .integer(2), text("id2")]),
        ])
    }

    @Test func `the servers' answers say who has which slot`() throws {
        let ranges: RedisReply = .array([
            Self.range(0, 99, Self.text("a")), Self.range(100, 100, .null, 7),
            Self.range(200, 16_383, Self.text("a")),
            Self.range(150, 151, Self.text("?")), Self.range(152, 152, Self.text("")),
        ])
        var slots = try #require(
            ClusterSlots(info: Self.info(epoch: 12), slots: ranges, by: Node(host: "asked", port: 9))
        )
        #expect(slots.isServing && slots.epoch == 12)
        #expect(slots.master(of: 0) == Node(host: "a", port: 1))
        #expect(slots.master(of: 100) == Node(host: "asked", port: 7))
        #expect(slots.master(of: 152) == Node(host: "asked", port: 1))
        #expect(slots.master(of: 101) == nil && slots.master(of: 150) == nil)
        #expect(slots.served == 100 + 1 + 1 + 16_184)
        let former = slots
        #expect(slots.agrees(with: former))
        slots.move(101, to: Node(host: "b", port: 1))
        #expect(slots.master(of: 101) == Node(host: "b", port: 1) && !slots.agrees(with: former))
        #expect(slots.masters.count == 4)
    }

    @Test func `what is no such answer is none`() {
        let node = Node(host: "h", port: 1)
        for ranges: RedisReply in [
            .null, .array([.integer(1)]), .array([.array([.integer(0), .integer(1)])]),
            .array([Self.range(5, 4, .null)]), .array([Self.range(0, 16_384, .null)]),
            .array([Self.range(-1, 4, .null)]),
        ] { #expect(ClusterSlots(info: Self.info(), slots: ranges, by: node) == nil) }
        #expect(ClusterSlots(info: .null, slots: .array([]), by: node) == nil)
        #expect(ClusterSlots(info: Self.info("fail"), slots: .array([]), by: node)?.isServing == false)
    }
}
