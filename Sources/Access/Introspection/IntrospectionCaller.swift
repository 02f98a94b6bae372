// Who asks about tokens: a consumer of the group, by a key of theirs.
import Gateway
import JSON
import Proxy

/// Proves the caller of the introspection paths (RFC 7662 §2.1, RFC 6749 §2.3).
enum IntrospectionCaller {
    /// Where a key stands, Kong's usual name; never in a query.
    private static let keyField: FieldName = "apikey"
    private static let challenges = [
        "Basic realm=\"introspection\", charset=\"UTF-8\"", "Key realm=\"introspection\"",
    ]

    /// The consumer who asks, if the group has them.
    static func consumer(_ passage: Passage, group: String) throws(Refusal) -> Consumer {
        let owner = try owner(passage)
        guard owner.consumer.groups.contains(where: { $0.isIdentical(toUTF8Of: group) }) else {
            throw .forbidden(.init("group-not-allowed", message: "You cannot consume this service"))
        }
        return owner.consumer
    }

    private static func owner(_ passage: Passage) throws(Refusal) -> KeyIndex.Owner {
        let request = passage.request
        let (keys, fields) = (request.count(of: keyField), request.count(of: .authorization))
        guard keys + fields <= 1 else { throw .malformed(.init("repeated-credential")) }
        let index: KeyIndex
        do throws(KeyIndex.Failure) {
            index = try passage.plan.consumers.derived { directory throws(KeyIndex.Failure) in
                try KeyIndex(directory)
            }
        } catch {
            throw .failed(.init("internal-error"))
        }
        let found: KeyIndex.Owner?
        if let field = request.first(keyField) {
            found = try owner(Array(request.fields.value(field)), nil, index)
        } else if let pair = basic(request) {
            found = try basicOwner(pair, index)
        } else {
            throw .unauthenticated(.init("no-credential", challenges: challenges))
        }
        guard let found else { throw .unauthenticated(.init("unknown-credential", challenges: challenges)) }
        return found
    }

    private static func basic(_ request: RequestHead) -> BasicCredential? {
        guard let field = request.first(.authorization) else { return nil }
        return request.withValue(field) { value in
            let scheme = "basic ".utf8.span
            guard value.count > scheme.count else { return nil }
            for place in scheme.indices where value[place] | 0x20 != scheme[place] | 0x20 { return nil }
            return BasicCredential(value.extracting(scheme.count..<value.count))
        }
    }

    /// As it stands, or as OAuth 2.0 has it: both parts form-encoded first (RFC 6749 §2.3.1).
    private static func basicOwner(
        _ pair: BasicCredential,
        _ index: KeyIndex
    ) throws(Refusal) -> KeyIndex.Owner? {
        if let found = try owner(Array(pair.secret.utf8), pair.name, index) { return found }
        guard let name = QueryArguments.decoded(pair.name), let secret = QueryArguments.decoded(pair.secret),
            name != pair.name || secret != pair.secret
        else { return nil }
        return try owner(Array(secret.utf8), name, index)
    }

    /// The owner of a key; where a name is given, it has to be the owner's username, custom id or id.
    private static func owner(
        _ key: [UInt8],
        _ name: String?,
        _ index: KeyIndex
    ) throws(Refusal) -> KeyIndex.Owner? {
        let owner: KeyIndex.Owner?
        do throws(KeyIndex.Failure) { owner = try index.owner(of: key) } catch {
            throw .failed(.init("internal-error"))
        }
        guard let owner, let name else { return owner }
        // The key is proven by now: the time that names take tells nothing of it (security row J12).
        return owner.consumer.title.isIdentical(toUTF8Of: name) ? owner : nil
    }
}
