// All consumers of a plan, by whatever name they are asked for.
import Synchronization

/// Finds consumers; made once a plan.
package final class ConsumerDirectory: Sendable {
    package let all: [Consumer]
    private let byID: [String: Int]
    private let byUsername: [String: Int]
    private let byCustomID: [String: Int]
    private let derived = Mutex<[ObjectIdentifier: any Sendable & AnyObject]>([:])

    /// Indexes consumers; of equal names the first counts (the file's check refuses them before).
    package init(_ consumers: [Consumer]) {
        self.all = consumers
        let numbered = consumers.enumerated()
        self.byID = Dictionary(numbered.map { ($1.id, $0) }, uniquingKeysWith: min)
        self.byUsername = Dictionary(
            numbered.compactMap { index, consumer in consumer.username.map { ($0, index) } },
            uniquingKeysWith: min
        )
        self.byCustomID = Dictionary(
            numbered.compactMap { index, consumer in consumer.customID.map { ($0, index) } },
            uniquingKeysWith: min
        )
    }

    /// The consumer with that `id`.
    package func consumer(id: String) -> Consumer? { self.byID[id].map { self.all[$0] } }

    /// The consumer with that `username`.
    package func consumer(username: String) -> Consumer? { self.byUsername[username].map { self.all[$0] } }

    /// The consumer with that `custom_id`.
    package func consumer(customID: String) -> Consumer? { self.byCustomID[customID].map { self.all[$0] } }

    /// The consumer that `anonymous` names: by id or username.
    package func consumer(named name: String) -> Consumer? {
        self.consumer(id: name) ?? self.consumer(username: name)
    }

    /// What a plugin computes from all consumers: made once for all instances that want it.
    package func derived<Value: Sendable & AnyObject, Failure: Error>(
        _ make: (ConsumerDirectory) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let key = ObjectIdentifier(Value.self)
        if let value = self.derived.withLock({ $0[key] }) as? Value { return value }
        let value = try make(self)
        self.derived.withLock { $0[key] = value }
        return value
    }
}
