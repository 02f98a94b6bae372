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
            let proven = passage.note(at: OpenIDConnect.proof) as? ProvenCredential
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
        guard passage.note(at: OpenIDConnect.loginOffer) != nil, let origin = RedirectTarget.Origin(passage)
        else {
            return nil
        }
        let target = String(decoding: passage.request.pathAndQuery, as: UTF8.self)
        self.origin = origin.text
        path = "\(authPrefix)/start?rd=\(QueryArguments.encoded(target))"
    }
}
