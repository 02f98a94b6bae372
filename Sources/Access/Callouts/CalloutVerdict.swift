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
    /// Fields that it may copy.
    ///
    /// Those of an identity are always there, so that a copy overwrites the client's own (security row H1);
    /// `Authorization` and `Cookie` are as the upstream shall see them, empty if it shall not (H6).
    private(set) var fields: [(String, String)] = []
    /// Names of the client's fields that the upstream must not see, as they are spelled.
    private(set) var takenOff: [String] = []

    /// Gathers what the verdict says.
    ///
    /// - Throws: for a claim that no field can carry: nobody shall be nameless for it (security row H3).
    init(_ passage: Passage, _ proven: ProvenCredential?) throws(ClaimTextError) {
        passage.plan.ownedCookies.hide(passage)
        fields = try Self.claims(passage, proven)
        let given = addUpstream(passage)
        addCredentials(passage)
        let absent = passage.plan.identityNames.filter { !given.contains($0) }
        for name in absent where !name.description.hasPrefix(Self.prefix) {
            fields.append((name.description, ""))
        }
        addCookies(passage)
        takenOff = passage.request.namesToTakeOff(passage.upstream, dropping: passage.plan.identityFields)
        let empty = fields.filter { $0.1.isEmpty }.map { $0.0.lowercased() }
        takenOff = empty + takenOff.filter { !empty.contains($0) && !isGiven($0) }
    }

    private static let prefix = "x-auth-request-"

    /// oauth2-proxy's fields; empty where nothing is known.
    private static func claims(
        _ passage: Passage,
        _ proven: ProvenCredential?
    ) throws(ClaimTextError) -> [(String, String)] {
        func claim(_ name: String) throws(ClaimTextError) -> String {
            try ClaimText.encoded(proven?.sources.text(at: [name]) ?? "")
        }
        let subject = try claim("sub")
        let user = subject.isEmpty ? try ClaimText.encoded(passage.identity?.subject ?? "") : subject
        let token = proven?.accessToken ?? ""
        return [
            ("X-Auth-Request-User", user),
            ("X-Auth-Request-Email", try claim("email")),
            ("X-Auth-Request-Preferred-Username", try claim("preferred_username")),
            // oauth2-proxy's users split at the comma alone.
            ("X-Auth-Request-Groups", try ClaimText.list(proven?.groups ?? [], separator: ",")),
            ("X-Auth-Request-Access-Token", token.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } ? token : ""),
        ]
    }

    /// Adds what plugins set for the upstream; gives the names.
    private mutating func addUpstream(_ passage: Passage) -> Set<FieldName> {
        var given: Set<FieldName> = []
        var added: [(String, String)] = []
        passage.upstream.forEachAdded { name, value in
            guard name != .xRequestID else { return }
            given.insert(name)
            added.append((name.description, String(decoding: value, as: UTF8.self)))
        }
        fields += added
        return given
    }

    /// Adds the client's own `Authorization` and `Cookie` where the upstream shall see them: what is copied without
    /// being told would be lost.
    private mutating func addCredentials(_ passage: Passage) {
        for name in [FieldName.authorization, .cookie] where !passage.upstream.adds(name) {
            let separator = name == .cookie ? "; " : ", "
            let isHidden = passage.upstream.removes(name)
            let values = isHidden ? [] : passage.request.fields.strings(of: name)
            fields.append((name.description, values.joined(separator: separator)))
        }
    }

    /// Adds each `Set-Cookie` under a name of its own too, for gateways that hand on one field of a name.
    private mutating func addCookies(_ passage: Passage) {
        var lines: [String] = []
        passage.answer.forEachAdded { name, value in
            if name == .setCookie { lines.append(String(decoding: value, as: UTF8.self)) }
        }
        for (index, line) in lines.enumerated() {
            fields.append(("X-Auth-Request-Set-Cookie-\(index + 1)", line))
        }
    }

    private func isGiven(_ name: String) -> Bool {
        fields.contains { $0.0.lowercased() == name }
    }
}
