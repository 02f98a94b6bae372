// The doors for other gateways: how each tells of a request, and how it is told the verdict.
import Proxy

/// One kind of gateway's way of asking.
///
/// A door translates and decides nothing: which request it is, `OriginalRequest` says, and what becomes of it, the
/// pipeline.
struct CalloutDoor: Sendable {
    /// How a browser is led to the login.
    enum LoginWay: Sendable, Equatable {
        /// A field of a 401 says where it is; the gateway's own configuration sends the browser there.
        case field(String)
        /// The answer is the redirect, and the gateway hands it on.
        case redirect
    }

    /// Where the gateway asks.
    let path: String
    /// How it tells of the request.
    let telling: OriginalRequest.Telling
    /// Whether its callout may have the original's own query at its end, as Caddy leaves it there.
    let leavesQueryOn: Bool
    /// The status that it takes for a yes.
    let yes: Int
    /// How it leads a browser to the login.
    let login: LoginWay
    /// Whether it hands on any status; else 401, 403 and failures are all that it understands.
    let handsOnAnyStatus: Bool
    /// The field that says what it has to take out of the client's request.
    let takeOffField: FieldName

    /// All doors under `prefix`.
    static func all(_ prefix: String) -> [CalloutDoor] {
        [.authRequest(prefix), .forwardAuth(prefix), .externalAuthorization(prefix)]
    }

    /// nginx's `auth_request`, and ingress-nginx.
    static func authRequest(_ prefix: String) -> CalloutDoor {
        CalloutDoor(
            path: "\(prefix)/auth",
            telling: .fields,
            leavesQueryOn: false,
            yes: 202,
            login: .field("X-Auth-Request-Redirect"),
            handsOnAnyStatus: false,
            takeOffField: "x-auth-request-remove"
        )
    }

    /// Traefik, Caddy, HAProxy, Kong, APISIX.
    static func forwardAuth(_ prefix: String) -> CalloutDoor {
        CalloutDoor(
            path: "\(prefix)/forward-auth",
            telling: .fields,
            leavesQueryOn: true,
            yes: 200,
            login: .redirect,
            handsOnAnyStatus: true,
            takeOffField: "x-auth-request-remove"
        )
    }

    /// Envoy's `ext_authz` over HTTP, and Istio: 200 alone is a yes.
    static func externalAuthorization(_ prefix: String) -> CalloutDoor {
        let path = "\(prefix)/ext-authz"
        return CalloutDoor(
            path: path,
            telling: .itself(behind: Array(path.utf8)),
            leavesQueryOn: false,
            yes: 200,
            login: .redirect,
            handsOnAnyStatus: true,
            takeOffField: "x-envoy-auth-headers-to-remove"
        )
    }

    /// The verdict in the gateway's words.
    func answer(_ verdict: CalloutVerdict) -> Answer {
        switch verdict {
        case .passes(let pass):
            var answer = Answer(status: yes)
            answer.lines = pass.fields(takeOffField)
            answer.lines.append(.cacheControl, "no-store")
            return answer
        case .refused(var answer, let offer):
            if let offer {
                guard case .field(let name) = login else { return .redirect(to: offer.url) }
                answer.fields.append((name, offer.path))
            }
            if !handsOnAnyStatus, answer.status != 401, answer.status < 500 { answer.status = 403 }
            // Whatever a no consists of, it is never told by the status of a yes.
            if answer.status < 300 { answer.status = 403 }
            return answer
        }
    }
}
