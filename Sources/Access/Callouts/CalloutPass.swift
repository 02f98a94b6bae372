// What a yes to a callout sends on.
import Gateway
import Proxy

/// What the asking gateway sends on with a request that passes.
struct CalloutPass {
    /// Identity first, the rest behind it.
    private var lines = FieldLines(capacity: 2048)
    /// Where the identity ends.
    private var identityEnd = 0
    /// Each `Set-Cookie` for the client.
    private(set) var cookies: [ArraySlice<UInt8>] = []
    /// Names of the client's fields that the upstream must not see, as they are spelled.
    private(set) var takenOff: [FieldName] = []

    /// Gathers what the verdict says.
    ///
    /// First who it is: oauth2-proxy's fields, empty where nothing is known, and what plugins set for the upstream. Then what
    /// else a gateway may copy by its name: the access token; the client's own `Authorization` and `Cookie` where no plugin
    /// set them, since what is copied without being told would be lost, and empty if the upstream shall not see them
    /// (security row H6); identity fields that nobody set, empty, so that a copy overwrites the client's own (H1).
    ///
    /// - Throws: for a claim that no field can carry: nobody shall be nameless for it (security row H3).
    init(_ passage: Passage, _ proven: ProvenCredential?) throws(ClaimTextError) {
        let plan = passage.plan
        plan.ownedCookies.hide(passage)
        // Looked at once: each look at the passage's own would be a call of its own.
        let (request, upstream, answer) = (passage.request, passage.upstream, passage.answer)
        takenOff.reserveCapacity(plan.identityNames.count + Self.credentials.count)
        try addClaims(passage.identity, proven, answer)
        // What plugins set for the upstream, but for a mark that is the gateway's own.
        upstream.forEachAdded { name, value in if name != .xRequestID { add(name, value, answer) } }
        identityEnd = lines.count
        let token = proven?.accessToken ?? ""
        add(Self.accessToken, token.utf8.span.isVisible ? token : "", answer)
        addCredentials(request, upstream, answer)
        for name in plan.identityNames where !upstream.adds(name) {
            guard !name.begins(with: Self.prefix) else { continue }
            addEmpty(name, answer)
        }
        answer.forEachAdded { name, value in if name == .setCookie { cookies.append(value) } }
        for text in request.namesToTakeOff(upstream, dropping: plan.identityFields) {
            // What has a field of that spelling is overwritten, or taken off by now.
            guard let name = FieldName(text), !Self.credentials.contains(name),
                !plan.identityNames.contains(name)
            else { continue }
            takenOff.append(name)
        }
    }

    private static let prefix = Array("x-auth-request-".utf8)
    private static let user: FieldName = "x-auth-request-user"
    private static let email: FieldName = "x-auth-request-email"
    private static let preferredUsername: FieldName = "x-auth-request-preferred-username"
    private static let groups: FieldName = "x-auth-request-groups"
    /// The field with the access token.
    static let accessToken: FieldName = "x-auth-request-access-token"
    private static let credentials: [FieldName] = [.authorization, .cookie]
    /// Names for each `Set-Cookie` by itself; more of one session there are not.
    private static let cookieNames: [FieldName] = [
        "x-auth-request-set-cookie-1", "x-auth-request-set-cookie-2", "x-auth-request-set-cookie-3",
        "x-auth-request-set-cookie-4", "x-auth-request-set-cookie-5", "x-auth-request-set-cookie-6",
        "x-auth-request-set-cookie-7", "x-auth-request-set-cookie-8",
    ]

    /// Calls `body` with the name and value of each field that says who it is.
    func forEachIdentity(_ body: (_ name: String, _ value: String) -> Void) {
        lines.forEach(upTo: identityEnd, body)
    }

    /// The fields for a gateway that copies some by their names.
    ///
    /// - Parameter takeOffField: the one that lists what the gateway has to take out of the client's request.
    func fields(_ takeOffField: FieldName) -> FieldLines {
        var lines = FieldLines(capacity: lines.count + 1024)
        lines.append(self.lines)
        // For gateways that hand on one field of a name.
        for (name, value) in zip(Self.cookieNames, cookies) { lines.append(name, value) }
        if !takenOff.isEmpty { lines.append(takeOffField, list: takenOff) }
        return lines
    }

    // MARK: Gathering

    private mutating func add(_ name: FieldName, _ value: String, _ answer: FieldEdits) {
        if value.isEmpty { takenOff.append(name) }
        if !answer.removes(name) { lines.append(name, value) }
    }

    private mutating func add(_ name: FieldName, _ value: ArraySlice<UInt8>, _ answer: FieldEdits) {
        if value.isEmpty { takenOff.append(name) }
        if !answer.removes(name) { lines.append(name, value) }
    }

    private mutating func addEmpty(_ name: FieldName, _ answer: FieldEdits) {
        takenOff.append(name)
        if !answer.removes(name) { lines.append(empty: name) }
    }

    private mutating func addClaims(
        _ identity: Identity?,
        _ proven: ProvenCredential?,
        _ answer: FieldEdits
    ) throws(ClaimTextError) {
        func claim(_ name: String) throws(ClaimTextError) -> String {
            try ClaimText.encoded(proven?.sources.text(named: name) ?? "")
        }
        let subject = try claim("sub")
        let user = subject.isEmpty ? try ClaimText.encoded(identity?.subject ?? "") : subject
        add(Self.user, user, answer)
        add(Self.email, try claim("email"), answer)
        add(Self.preferredUsername, try claim("preferred_username"), answer)
        // oauth2-proxy's users split at the comma alone.
        add(Self.groups, try ClaimText.list(proven?.groups ?? [], separator: ","), answer)
    }

    private mutating func addCredentials(
        _ request: RequestHead,
        _ upstream: FieldEdits,
        _ answer: FieldEdits
    ) {
        for name in Self.credentials where !upstream.adds(name) {
            guard !upstream.removes(name), let first = request.first(name) else {
                addEmpty(name, answer)
                continue
            }
            if request.count(of: name) == 1, request.fields.isASCII(first) {
                add(name, request.fields.value(first), answer)
            } else {
                let values = request.fields.strings(of: name)
                add(name, values.joined(separator: name == .cookie ? "; " : ", "), answer)
            }
        }
    }
}
