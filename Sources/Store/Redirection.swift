// Who else has a key, by the word of a cluster's server.

/// What `MOVED` and `ASK` say (Redis Cluster specification, "Redirection and resharding").
package struct Redirection: Sendable, Equatable {
    /// The slot that it is about.
    let slot: Int
    /// Who has it; nil for the host that says so.
    let host: String?
    let port: Int
    /// Whether it is for this command alone, which has to come behind `ASKING`: the slot is on its way there.
    let isForOnce: Bool

    init(slot: Int, host: String?, port: Int, isForOnce: Bool = false) {
        self.slot = slot
        self.host = host
        self.port = port
        self.isForOnce = isForOnce
    }

    /// Reads an error's text; nil for any other error, and for one that names nobody who could be asked.
    init?(error text: String) {
        let words = text.split(separator: " ")
        guard words.count >= 3, words[0] == "MOVED" || words[0] == "ASK", let slot = Int(words[1]),
            (0..<HashSlot.count).contains(slot), let colon = words[2].lastIndex(of: ":"),
            let port = Int(words[2][words[2].index(after: colon)...]), (1...65_535).contains(port)
        else { return nil }
        let host = words[2][..<colon]
        guard host != "?" else { return nil }
        self.init(
            slot: slot,
            host: host.isEmpty ? nil : String(host),
            port: port,
            isForOnce: words[0] == "ASK"
        )
    }

    /// Whom to ask, where `node` has said this.
    func target(by node: RedisAddress.Node) -> RedisAddress.Node {
        RedisAddress.Node(host: self.host ?? node.host, port: self.port)
    }
}
