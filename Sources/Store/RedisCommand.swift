// What Redis is asked.

/// One word of a command: octets of any kind.
package struct RedisWord: Sendable, Equatable, ExpressibleByStringLiteral {
    let octets: [UInt8]

    /// A fixed word.
    package init(stringLiteral text: String) { self.octets = Array(text.utf8) }
    /// A text.
    package init(_ text: String) { self.octets = Array(text.utf8) }
    /// Octets.
    package init(_ octets: [UInt8]) { self.octets = octets }
    /// A whole number.
    package init(_ number: Int) { self.octets = Array(String(number).utf8) }
}

/// A command as it goes over the wire: an array of bulk strings (RESP2).
package struct RedisCommand: Sendable, Equatable {
    /// The octets for the wire.
    let octets: [UInt8]
    /// The key that it is about; nothing where it is about none.
    let key: [UInt8]
    /// Whether it may be carried out twice: then it is asked again when its connection ends before the answer.
    let isRepeatable: Bool
    /// Whether a master that takes another's place has to hear it again.
    ///
    /// What was ended must not come back by a failover. Such a command has to mean the same when it is carried out twice,
    /// and later.
    let outlivesFailover: Bool

    /// A command of these words.
    ///
    /// - Parameter keyAt: where among them the key stands that it is about. No command is about two: in a cluster they would lie
    ///   with different servers.
    package init(
        _ words: [RedisWord],
        keyAt: Int = 1,
        isRepeatable: Bool = false,
        outlivesFailover: Bool = false
    ) {
        var octets: [UInt8] = []
        octets.reserveCapacity(words.reduce(16) { $0 + $1.octets.count + 16 })
        octets.append(contentsOf: "*\(words.count)\r\n".utf8)
        for word in words {
            octets.append(contentsOf: "$\(word.octets.count)\r\n".utf8)
            octets.append(contentsOf: word.octets)
            octets.append(contentsOf: [0x0D, 0x0A])
        }
        self.octets = octets
        self.key = words.indices.contains(keyAt) ? words[keyAt].octets : []
        self.isRepeatable = isRepeatable
        self.outlivesFailover = outlivesFailover
    }

    /// Asks whether the store is there and answers.
    static let ping = RedisCommand(["PING"], isRepeatable: true)
    /// Asks whether it is a master.
    static let role = RedisCommand(["ROLE"], isRepeatable: true)
    /// Asks a cluster's server how the cluster is.
    static let clusterInfo = RedisCommand(["CLUSTER", "INFO"], isRepeatable: true)
    /// Asks a cluster's server which masters have which slots.
    static let clusterSlots = RedisCommand(["CLUSTER", "SLOTS"], isRepeatable: true)
    /// Says that the next command is for a slot on its way here.
    static let asking = RedisCommand(["ASKING"], isRepeatable: true)
}
