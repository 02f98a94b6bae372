// What a yes to a callout sends on.
import Gateway
import Proxy

/// What the asking gateway sends on with a request that passes.
struct CalloutPass {
    /// Identity first, the rest behind it.
    private var lines: FieldLines
    /// Where the identity ends.
    private var identityEnd = 0
    /// Each `Set-Cookie` for the client.
    private(set) var cookies: [[UInt8]] = []
    /// Names of the client's fields that the upstream must not see, as they are spelled.
    private(set) var takenOff: FieldNameList

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
        let told = try ToldIdentity.of(proven, passage.identity)
        // What the client sent may be told twice, as its token is.
        lines = FieldLines(capacity: 1024 + 2 * request.octetCount)
        takenOff = FieldNameList(capacity: plan.identityNames.count + ToldIdentity.names.count + 2)
        takenOff.append(told.empty)
        add(told.lines, answer)
        // What plugins set for the upstream, but for a mark that is the gateway's own.
        upstream.forEachAdded { name, value in
            guard !name.equals(FieldName.xRequestID) else { return }
            if value.isEmpty { takenOff.append(spelled: name) }
            if !answer.removes(spelled: name) { lines.append(spelled: name, value) }
        }
        identityEnd = lines.count
        if !answer.removes(ToldIdentity.accessToken) {
            lines.append(ToldIdentity.accessToken, told.hasToken ? proven?.accessToken ?? "" : "")
        }
        addCredentials(request, upstream, answer)
        for name in plan.identityNames where !upstream.adds(name) { addEmpty(name, answer) }
        if answer.adds(.setCookie) { cookies = answer.values(of: .setCookie) }
        for name in request.namesToTakeOff(upstream, dropping: plan.identityFields) {
            // What has a field of that spelling is overwritten, or taken off by now.
            guard !Self.credentials.contains(name), !ToldIdentity.names.contains(name),
                !plan.identityNames.contains(name)
            else { continue }
            takenOff.append(name)
        }
    }

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
    consuming func fields(_ takeOffField: FieldName) -> FieldLines {
        // For gateways that hand on one field of a name.
        for (name, value) in zip(Self.cookieNames, cookies) { lines.append(name, value) }
        if !takenOff.isEmpty { lines.append(takeOffField, list: takenOff) }
        return lines
    }

    // MARK: Gathering

    private mutating func add(_ told: FieldLines, _ answer: FieldEdits) {
        guard ToldIdentity.names.contains(where: { answer.removes($0) }) else { return lines.append(told) }
        told.forEach { name, value in
            if let name = FieldName(name), !answer.removes(name) { lines.append(name, value) }
        }
    }

    private mutating func addEmpty(_ name: FieldName, _ answer: FieldEdits) {
        takenOff.append(name)
        if !answer.removes(name) { lines.append(empty: name) }
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
                add(name, values.joined(separator: name == .cookie ? "; " : ", ").utf8, answer)
            }
        }
    }

    private mutating func add(_ name: FieldName, _ value: some Collection<UInt8>, _ answer: FieldEdits) {
        if value.isEmpty { takenOff.append(name) }
        if !answer.removes(name) { lines.append(name, value) }
    }
}
