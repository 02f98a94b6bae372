// Whose requests are counted together.
import Proxy

/// What `limit_by` says: where it finds nothing, the client's address counts.
struct RateSubject: Sendable {
    private enum Basis: Sendable {
        case consumer, credential, ip, service
        case group(String?)
        case header(FieldName)
        case path([UInt8])
    }

    /// A value with a number that differs for each basis, so that no header's value is taken for an address.
    private struct Named<Value: Hashable>: Hashable {
        let basis: UInt8
        let value: Value
    }

    private let basis: Basis
    /// What the counts are named after; the same as long as they count the same.
    let name: String

    init(_ settings: Settings, _ scope: PluginScope) throws(ConfigurationError) {
        let word = settings.string("limit_by") ?? "consumer"
        switch word {
        case "credential": self.basis = .credential
        case "ip": self.basis = .ip
        case "service": self.basis = .service
        case "consumer-group": self.basis = .group(scope.binding.consumerGroup)
        case "header":
            guard let text = settings.string("header_name"), let name = FieldName(text) else {
                throw settings.error("header_name", "limit_by: header needs the name of a header")
            }
            self.basis = .header(name)
            self.name = "header \(name)"
            return
        case "path":
            guard let text = settings.string("path"), let path = Route.canonical(path: text) else {
                throw settings.error("path", "limit_by: path needs a path such as /login")
            }
            self.basis = .path(Array(path.utf8))
            self.name = "path \(path)"
            return
        default: self.basis = .consumer
        }
        self.name = word
    }

    /// Under what the request is counted.
    func key(_ passage: Passage) -> UInt64 {
        self.ownKey(passage)
            ?? CounterTable.key(Named(basis: 0, value: passage.client.address.ofOneSubscriber))
    }

    private func ownKey(_ passage: Passage) -> UInt64? {
        let identity = passage.identity
        switch self.basis {
        case .ip: return nil
        case .consumer:
            if let consumer = identity?.consumer {
                return CounterTable.key(Named(basis: 1, value: consumer.id))
            }
            return identity.flatMap(Self.credential)
        case .credential: return identity.flatMap(Self.credential)
        case .service:
            return passage.match?.planned.service.map { CounterTable.key(Named(basis: 3, value: $0.id)) }
        case .group(let bound):
            guard let consumer = identity?.consumer else { return nil }
            let group = bound ?? consumer.consumerGroups.first
            return group.map { CounterTable.key(Named(basis: 4, value: $0)) }
        case .header(let name):
            let head = passage.request
            guard let first = head.first(name) else { return nil }
            // All values in order, as the upstream sees them.
            guard head.count(of: name) == 1 else {
                return CounterTable.key(Named(basis: 5, value: head.fields.strings(of: name)))
            }
            return CounterTable.key(Named(basis: 6, value: head.fields.value(first)))
        case .path(let path):
            guard passage.request.path.elementsEqual(path) else { return nil }
            return CounterTable.key(Named(basis: 7, value: path))
        }
    }

    /// The credential, or whoever an issuer vouches for.
    private static func credential(_ identity: Identity) -> UInt64? {
        if let credential = identity.credentialIdentifier {
            return CounterTable.key(Named(basis: 2, value: credential))
        }
        guard let subject = identity.subject else { return nil }
        return CounterTable.key(Named(basis: 8, value: [identity.issuer ?? "", subject]))
    }
}
