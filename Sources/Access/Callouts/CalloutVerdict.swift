// What a callout is told, in no gateway's words yet.
import Gateway
import JSON
import Proxy

/// The pipeline's verdict, with all that a door needs to tell it.
enum CalloutVerdict {
    /// It may pass.
    case passes(CalloutPass)
    /// It may not; the answer is for the client, and the offer for a browser that could log in.
    case refused(Answer, login: LoginOffer?)

    /// Where a browser begins its login.
    struct LoginOffer: Equatable {
        /// Scheme and authority by which it asked.
        let origin: String
        /// Our own path there, with the way back.
        let path: String

        /// Both: some gateways would take a bare path for one of ours.
        var url: String { origin + path }
    }

    /// Reads a verdict on `passage`, which is about the original request.
    init(_ verdict: Verdict, _ passage: Passage, _ narrowing: CalloutNarrowing, authPrefix: String) {
        switch verdict {
        case .passes:
            let proven = passage.notes[OpenIDConnect.proof] as? ProvenCredential
            guard narrowing.admits(proven) else {
                self = .refused(reason: "not-in-allowed-list", passage)
                return
            }
            do throws(ClaimTextError) {
                self = .passes(try CalloutPass(passage, proven))
            } catch {
                self = .refused(reason: "unsendable-claim", passage)
            }
        case .answered(let answer):
            // A gateway would take an answer of success for a yes, and forward the request.
            guard answer.status >= 300 else {
                self = .refused(reason: "answered-by-plugin", passage)
                return
            }
            passage.reason = passage.reason ?? "answered-by-plugin"
            self = .refused(answer, login: nil)
        case .refused(let refusal):
            let offer = refusal.status == 401 ? LoginOffer(passage, authPrefix) : nil
            self = .refused(ErrorAnswer(passage).answer(refusal), login: offer)
        }
    }

    private static func refused(reason: String, _ passage: Passage) -> CalloutVerdict {
        passage.reason = reason
        return .refused(ErrorAnswer(passage).answer(.forbidden(.init(reason))), login: nil)
    }
}

extension CalloutVerdict.LoginOffer {
    /// The offer that a plugin has made for this request, if one has.
    init?(_ passage: Passage, _ authPrefix: String) {
        guard passage.notes[OpenIDConnect.loginOffer] != nil, let origin = RedirectTarget.Origin(passage)
        else {
            return nil
        }
        let target = String(decoding: passage.request.pathAndQuery, as: UTF8.self)
        self.origin = origin.text
        path = "\(authPrefix)/start?rd=\(QueryArguments.encoded(target))"
    }
}

/// What the asking gateway sends on with a request that passes.
struct CalloutPass {
    /// Who it is: oauth2-proxy's fields, empty where nothing is known, and what plugins set for the upstream.
    private(set) var identity = FieldLines(capacity: 1024)
    /// What else a gateway may copy by its name.
    ///
    /// The access token; the client's own `Authorization` and `Cookie` where no plugin set them, since what is copied
    /// without being told would be lost, and empty if the upstream shall not see them (security row H6); identity
    /// fields that nobody set, empty, so that a copy overwrites the client's own (H1).
    private(set) var others = FieldLines(capacity: 1024)
    /// Each `Set-Cookie` for the client.
    private(set) var cookies: [ArraySlice<UInt8>] = []
    /// Names of the client's fields that the upstream must not see, as they are spelled.
    private(set) var takenOff: [FieldName] = []

    /// Gathers what the verdict says.
    ///
    /// - Throws: for a claim that no field can carry: nobody shall be nameless for it (security row H3).
    init(_ passage: Passage, _ proven: ProvenCredential?) throws(ClaimTextError) {
        passage.plan.ownedCookies.hide(passage)
        try addClaims(passage, proven)
        addGiven(passage)
        addCredentials(passage)
        for name in passage.plan.identityNames where !passage.upstream.adds(name) {
            guard !name.begins(with: Self.prefix) else { continue }
            addOther(name, "".utf8, passage)
        }
        passage.answer.forEachAdded { name, value in if name == .setCookie { cookies.append(value) } }
        let known = passage.plan.identityNames + [.authorization, .cookie]
        for text in passage.request.namesToTakeOff(passage.upstream, dropping: passage.plan.identityFields) {
            // What has a field of that spelling is overwritten, or taken off by now.
            guard let name = FieldName(text), !known.contains(name) else { continue }
            takenOff.append(name)
        }
    }

    private static let prefix: StaticString = "x-auth-request-"
    private static let user: FieldName = "x-auth-request-user"
    private static let email: FieldName = "x-auth-request-email"
    private static let preferredUsername: FieldName = "x-auth-request-preferred-username"
    private static let groups: FieldName = "x-auth-request-groups"
    /// The field with the access token.
    static let accessToken: FieldName = "x-auth-request-access-token"
    /// Names for each `Set-Cookie` by itself; more of one session there are not.
    private static let cookieNames: [FieldName] = [
        "x-auth-request-set-cookie-1", "x-auth-request-set-cookie-2", "x-auth-request-set-cookie-3",
        "x-auth-request-set-cookie-4", "x-auth-request-set-cookie-5", "x-auth-request-set-cookie-6",
        "x-auth-request-set-cookie-7", "x-auth-request-set-cookie-8",
    ]

    /// The fields for a gateway that copies some by their names.
    ///
    /// - Parameter takeOffField: the one that lists what the gateway has to take out of the client's request.
    func fields(_ takeOffField: FieldName) -> FieldLines {
        var lines = identity
        lines.append(others)
        // For gateways that hand on one field of a name.
        for (name, value) in zip(Self.cookieNames, cookies) { lines.append(name, value) }
        if !takenOff.isEmpty { lines.append(takeOffField, list: takenOff) }
        return lines
    }

    // MARK: Gathering

    private mutating func addIdentity(_ name: FieldName, _ value: some Collection<UInt8>, _ passage: Passage)
    {
        if value.isEmpty { takenOff.append(name) }
        if !passage.answer.removes(name) { identity.append(name, value) }
    }

    private mutating func addOther(_ name: FieldName, _ value: some Collection<UInt8>, _ passage: Passage) {
        if value.isEmpty { takenOff.append(name) }
        if !passage.answer.removes(name) { others.append(name, value) }
    }

    private mutating func addClaims(_ passage: Passage, _ proven: ProvenCredential?) throws(ClaimTextError) {
        func claim(_ name: String) throws(ClaimTextError) -> String {
            try ClaimText.encoded(proven?.sources.text(at: [name]) ?? "")
        }
        let subject = try claim("sub")
        let user = subject.isEmpty ? try ClaimText.encoded(passage.identity?.subject ?? "") : subject
        addIdentity(Self.user, user.utf8, passage)
        addIdentity(Self.email, try claim("email").utf8, passage)
        addIdentity(Self.preferredUsername, try claim("preferred_username").utf8, passage)
        // oauth2-proxy's users split at the comma alone.
        addIdentity(Self.groups, try ClaimText.list(proven?.groups ?? [], separator: ",").utf8, passage)
        let token = proven?.accessToken ?? ""
        let isPlain = token.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
        addOther(Self.accessToken, (isPlain ? token : "").utf8, passage)
    }

    /// Adds what plugins set for the upstream, but for a mark that is the gateway's own.
    private mutating func addGiven(_ passage: Passage) {
        let edits = passage.upstream
        edits.forEachAdded { name, value in
            if name != .xRequestID { addIdentity(name, value, passage) }
        }
    }

    private mutating func addCredentials(_ passage: Passage) {
        for name in [FieldName.authorization, .cookie] where !passage.upstream.adds(name) {
            guard !passage.upstream.removes(name) else {
                addOther(name, "".utf8, passage)
                continue
            }
            let values = passage.request.fields.strings(of: name)
            addOther(name, values.joined(separator: name == .cookie ? "; " : ", ").utf8, passage)
        }
    }
}
