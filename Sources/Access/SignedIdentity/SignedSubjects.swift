// Those whom we sign for: users at an issuer, and our own consumers.
import Gateway
import JSON

extension ProvenCredential: SignedSubject {
    func claims(_ choice: SignedIdentityChoice) -> [String: JSONValue] {
        var members: [String: JSONValue] = [:]
        if let subject = identity.subject { members["sub"] = .string(subject) }
        if let issuer = identity.issuer { members["idp"] = .string(issuer) }
        for name in choice.claims {
            if let value = sources.claim(at: [name])?.value { members[name] = value }
        }
        return members
    }
}

/// A consumer as a service is told of it: without `idp`, since nobody but this gateway vouches.
final class SignedConsumer: SignedSubject {
    private let members: [String: JSONValue]

    init(_ consumer: Consumer) {
        var members: [String: JSONValue] = [
            "sub": .string(Self.subject(of: consumer)), "consumer_id": .string(consumer.id),
        ]
        if let username = consumer.username { members["consumer_username"] = .string(username) }
        if let customID = consumer.customID { members["consumer_custom_id"] = .string(customID) }
        self.members = members
    }

    /// What the operator's own systems call it, if that is known.
    static func subject(of consumer: Consumer) -> String {
        consumer.customID ?? consumer.username ?? consumer.id
    }

    func claims(_ choice: SignedIdentityChoice) -> [String: JSONValue] { members }
}

/// All consumers of a plan as they are signed for; made once a plan.
final class SignedConsumers: Sendable {
    private let byID: [String: SignedConsumer]
    /// Two who would be told as one (security row H4).
    let doubled: (Consumer, Consumer)?

    init(_ directory: ConsumerDirectory) {
        var (byID, bySubject): ([String: SignedConsumer], [String: Consumer]) = ([:], [:])
        var doubled: (Consumer, Consumer)?
        for consumer in directory.all {
            byID[consumer.id] = SignedConsumer(consumer)
            let other = bySubject.updateValue(consumer, forKey: SignedConsumer.subject(of: consumer))
            if let other, doubled == nil { doubled = (other, consumer) }
        }
        (self.byID, self.doubled) = (byID, doubled)
    }

    subscript(_ consumer: Consumer) -> SignedConsumer? { byID[consumer.id] }
}
