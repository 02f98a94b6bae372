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
    /// oauth2-proxy's fields of an identity, empty where nothing is known.
    let told: [(String, String)]
    /// What plugins set for the upstream, but for a mark that is the gateway's own.
    let given: [(String, String)]
    /// Names of identity fields that nobody set.
    let absent: [String]
    /// The client's own `Authorization` and `Cookie`, where no plugin set them: what is copied without being told would be lost.
    ///
    /// Empty if the upstream shall not see them (security row H6).
    let credentials: [(String, String)]
    /// Each `Set-Cookie` for the client.
    let cookies: [String]
    /// Names of the client's fields that the upstream must not see, as they are spelled.
    let takenOff: [String]

    /// Fields for a gateway that copies some by their names.
    ///
    /// Those of an identity are always there, so that a copy overwrites the client's own (security row H1); each
    /// `Set-Cookie` has a name of its own too, for gateways that hand on one field of a name.
    var fields: [(String, String)] {
        told + given + credentials + absent.map { ($0, "") }
            + cookies.enumerated().map { ("X-Auth-Request-Set-Cookie-\($0.offset + 1)", $0.element) }
    }

    /// Gathers what the verdict says.
    ///
    /// - Throws: for a claim that no field can carry: nobody shall be nameless for it (security row H3).
    init(_ passage: Passage, _ proven: ProvenCredential?) throws(ClaimTextError) {
        passage.plan.ownedCookies.hide(passage)
        told = try Self.claims(passage, proven)
        let (given, names) = Self.given(passage)
        self.given = given
        credentials = Self.credentials(passage)
        absent = passage.plan.identityNames.filter { !names.contains($0) }.map(\.description)
            .filter { !$0.hasPrefix("x-auth-request-") }
        cookies = Self.cookies(passage)
        let all = told + given + credentials
        let empty = all.filter { $0.1.isEmpty }.map { $0.0.lowercased() } + absent
        let set = Set((all.map { $0.0.lowercased() }) + absent)
        let taken = passage.request.namesToTakeOff(passage.upstream, dropping: passage.plan.identityFields)
        takenOff = empty + taken.filter { !set.contains($0) }
    }

    /// The field with the access token.
    static let accessToken = "X-Auth-Request-Access-Token"

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
            (accessToken, token.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } ? token : ""),
        ]
    }

    private static func given(_ passage: Passage) -> (fields: [(String, String)], names: Set<FieldName>) {
        var names: Set<FieldName> = []
        var fields: [(String, String)] = []
        passage.upstream.forEachAdded { name, value in
            guard name != .xRequestID else { return }
            names.insert(name)
            fields.append((name.description, String(decoding: value, as: UTF8.self)))
        }
        return (fields, names)
    }

    private static func credentials(_ passage: Passage) -> [(String, String)] {
        var fields: [(String, String)] = []
        for name in [FieldName.authorization, .cookie] where !passage.upstream.adds(name) {
            let separator = name == .cookie ? "; " : ", "
            let isHidden = passage.upstream.removes(name)
            let values = isHidden ? [] : passage.request.fields.strings(of: name)
            fields.append((name.description, values.joined(separator: separator)))
        }
        return fields
    }

    private static func cookies(_ passage: Passage) -> [String] {
        var lines: [String] = []
        passage.answer.forEachAdded { name, value in
            if name == .setCookie { lines.append(String(decoding: value, as: UTF8.self)) }
        }
        return lines
    }
}
