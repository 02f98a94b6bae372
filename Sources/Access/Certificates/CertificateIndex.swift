// Consumers by the names in their certificates.
import Gateway

/// Finds the consumer whom a name in a certificate stands for; made once a plan.
final class CertificateIndex: Sendable {
    struct Owner: Sendable {
        let consumer: Consumer
        let credential: CertificateCredential
    }

    /// By octets: Swift takes texts for equal that an authority does not.
    private let owners: [[UInt8]: [Owner]]

    init(_ directory: ConsumerDirectory) {
        var owners: [[UInt8]: [Owner]] = [:]
        for consumer in directory.all {
            for credential in consumer.certificates {
                owners[Array(credential.subjectName.utf8), default: []].append(
                    Owner(consumer: consumer, credential: credential)
                )
            }
        }
        self.owners = owners
    }

    /// The owner of a name, as one of these authorities vouches for it; a credential without one takes any.
    func owner(of name: String, vouchedBy authorities: Set<String>) -> Owner? {
        let named = owners[Array(name.utf8)] ?? []
        return named.first { $0.credential.authority.map(authorities.contains) ?? false }
            ?? named.first { $0.credential.authority == nil }
    }
}

extension ConsumerDirectory {
    /// The consumer that `name` is the username or the custom id of, octet for octet.
    func consumer(_ name: String, by field: String) -> Consumer? {
        let found = field == "username" ? consumer(username: name) : consumer(customID: name)
        let text = field == "username" ? found?.username : found?.customID
        return text?.utf8.elementsEqual(name.utf8) == true ? found : nil
    }
}

extension PluginScope {
    /// The consumer that a field names by id or username; nil if the field is empty.
    func consumer(_ settings: Settings, _ field: String) throws(ConfigurationError) -> Consumer? {
        guard let name = settings.string(field) else { return nil }
        guard let consumer = consumers.consumer(named: name) else {
            let hint = NearName.hint(name, among: consumers.all.compactMap(\.username))
            throw settings.error(field, "there is no consumer '\(name)'\(hint)")
        }
        return consumer
    }
}
