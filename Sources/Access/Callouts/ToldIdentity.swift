// Who a request is for, as callouts tell it: oauth2-proxy's fields.
import Gateway
import Proxy
import Synchronization

/// The fields that say who it is, written once a credential and sent with each yes.
///
/// All of them are there, empty where nothing is known, so that a gateway that copies one overwrites the client's own
/// (security row H1).
final class ToldIdentity: Sendable {
    /// User, email, preferred name and groups.
    let lines: FieldLines
    /// Whether the access token can stand in a field.
    let hasToken: Bool
    /// Names of those that are empty, the token's last.
    let empty: FieldNameList

    static let accessToken: FieldName = "x-auth-request-access-token"
    private static let user: FieldName = "x-auth-request-user"
    private static let email: FieldName = "x-auth-request-email"
    private static let preferredUsername: FieldName = "x-auth-request-preferred-username"
    private static let groups: FieldName = "x-auth-request-groups"
    /// The names of all of them.
    static let names = [user, email, preferredUsername, groups, accessToken]

    /// What is told of a credential; kept with it where it depends on nothing else.
    ///
    /// - Parameter identity: the request's, whose subject stands in for a `sub` that is missing.
    /// - Throws: for a claim that no field can carry: nobody shall be nameless for it (security row H3).
    static func of(
        _ proven: ProvenCredential?,
        _ identity: Identity?
    ) throws(ClaimTextError) -> ToldIdentity {
        if let told = proven?.told.load() { return told }
        let subject = try claim("sub", proven)
        guard let proven, !subject.isEmpty else {
            return try ToldIdentity(user: ClaimText.encoded(identity?.subject ?? ""), proven)
        }
        return proven.told.storeIfNil(try ToldIdentity(user: subject, proven))
    }

    private init(user: String, _ proven: ProvenCredential?) throws(ClaimTextError) {
        var (lines, empty) = (FieldLines(), FieldNameList())
        func add(_ name: FieldName, _ value: String) {
            if value.isEmpty { empty.append(name) }
            lines.append(name, value)
        }
        add(Self.user, user)
        add(Self.email, try Self.claim("email", proven))
        add(Self.preferredUsername, try Self.claim("preferred_username", proven))
        // oauth2-proxy's users split at the comma alone.
        add(Self.groups, try ClaimText.list(proven?.groups ?? [], separator: ","))
        let token = proven?.accessToken ?? ""
        hasToken = !token.isEmpty && token.utf8.span.isVisible
        if !hasToken { empty.append(Self.accessToken) }
        (self.lines, self.empty) = (lines, empty)
    }

    private static func claim(_ name: String, _ proven: ProvenCredential?) throws(ClaimTextError) -> String {
        try ClaimText.encoded(proven?.sources.text(named: name) ?? "")
    }
}
