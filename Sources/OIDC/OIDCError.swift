// Why an issuer or one of its answers is not taken.
package import Fetch
package import JOSE

/// What we ask an issuer for; the words of logs and metrics.
package enum IssuerRequest: String, Sendable, Equatable {
    case discovery, keys, token, userinfo, introspection, revocation
    case pushedRequest = "pushed-request"
}

/// Why an issuer or one of its answers is not taken.
///
/// No case carries a token, a secret, a code or a URL's query.
package enum OIDCError: Error, Sendable, Equatable {
    /// The configuration cannot be served; the sentence says what to write instead.
    case settings(String)
    /// The issuer did not answer.
    case unreachable(IssuerRequest, FetchError)
    /// The issuer answered that it cannot, 429 or 5xx, or sent us elsewhere.
    case failed(IssuerRequest, status: Int)
    /// The metadata names another issuer than the configuration.
    case issuerMismatch(found: String)
    /// The metadata cannot be used; the sentence says why.
    case metadata(String)
    /// The issuer has no such endpoint.
    case missingEndpoint(String)
    /// None of the issuer's keys is known.
    case noKeys
    /// The issuer refused: an OAuth error code, if it gave one.
    case refused(IssuerRequest, status: Int, error: String?)
    /// The answer is not what the standard asks for; the sentence says where.
    case malformedAnswer(IssuerRequest, String)
    /// An access token of a kind that we cannot show.
    case unknownTokenType
    /// A signed answer that fails a rule of tokens.
    case answerToken(IssuerRequest, TokenError)
    /// Too many questions to the issuer wait already.
    case busy
    /// An ID token that fails a rule of tokens.
    case idToken(TokenError)
    /// An ID token that fails a rule of OpenID Connect.
    case idTokenRule(IDTokenFailure)
    /// A logout token that fails a rule of tokens.
    case logoutToken(TokenError)
    /// A logout token that fails a rule of OpenID Connect Back-Channel Logout.
    case logoutTokenRule(IDTokenFailure)
    /// Userinfo about somebody else (OIDC Core §5.3.2).
    case subjectMismatch
    /// The authorization response's `iss` is absent though announced (RFC 9207 §2.4).
    case missingIssuerParameter
    /// The authorization response comes from another issuer (RFC 9207 §2.4).
    case wrongIssuerParameter
    /// A signed authorization response that fails a rule of tokens (JARM §2.4).
    case response(TokenError)
    /// A signed authorization response that does not say what a response must; the sentence says where.
    case malformedResponse(String)
    /// Our own side failed: no randomness, no digest.
    case ours

    /// A stable kebab-case word for logs and metrics.
    package var reason: String {
        switch self {
        case .settings: "invalid-issuer-settings"
        case .unreachable(_, .timedOut): "issuer-timed-out"
        case .unreachable(_, .bodyTooLarge), .unreachable(_, .headTooLarge): "issuer-answer-too-large"
        case .unreachable(_, .garbled): "issuer-answer-malformed"
        case .unreachable(_, .tlsFailed): "issuer-tls-failed"
        case .unreachable: "issuer-unreachable"
        case .failed: "issuer-failed"
        case .issuerMismatch: "issuer-mismatch"
        case .metadata: "invalid-metadata"
        case .missingEndpoint: "missing-endpoint"
        case .noKeys: "no-keys"
        case .refused(_, _, "invalid_grant"): "invalid-grant"
        case .refused(_, _, "invalid_client"), .refused(_, _, "unauthorized_client"): "client-refused"
        case .refused(.userinfo, _, _): "userinfo-refused"
        case .refused(.introspection, _, _): "introspection-refused"
        case .refused(.revocation, _, _): "revocation-refused"
        case .refused(.pushedRequest, _, _): "request-refused"
        case .refused: "grant-refused"
        case .malformedAnswer: "issuer-answer-malformed"
        case .answerToken: "issuer-answer-unproven"
        case .busy: "issuer-busy"
        case .unknownTokenType: "unknown-token-type"
        case .idToken(let error): error.reason
        case .idTokenRule(let failure), .logoutTokenRule(let failure): failure.reason
        case .logoutToken(let error): error.reason
        case .subjectMismatch: "subject-mismatch"
        case .missingIssuerParameter: "missing-issuer"
        case .wrongIssuerParameter: "wrong-issuer"
        case .response(let error): error.reason
        case .malformedResponse: "malformed-response"
        case .ours: "internal-error"
        }
    }

    /// A sentence for logs and for whoever may see errors.
    package var detail: String {
        switch self {
        case .settings(let sentence), .metadata(let sentence): sentence
        case .unreachable(let request, let error): "\(request.rawValue): \(error.reason)"
        case .failed(let request, let status): "\(request.rawValue): the issuer answered \(status)"
        case .issuerMismatch(let found): "the metadata names the issuer '\(found)'"
        case .missingEndpoint(let name): "the issuer has no \(name)"
        case .noKeys: "no key of the issuer is known"
        case .refused(let request, let status, let error):
            "\(request.rawValue): the issuer answered \(status) \(error ?? "without an error code")"
        case .malformedAnswer(let request, let sentence): "\(request.rawValue): \(sentence)"
        case .answerToken(let request, let error): "\(request.rawValue): the signed answer: \(error.detail)"
        case .busy: "too many questions to the issuer wait already"
        case .unknownTokenType: "the token_type is not Bearer"
        case .idToken(let error): "ID token: \(error.detail)"
        case .idTokenRule(let failure): "ID token: \(failure.detail) (\(failure.rule))"
        case .logoutToken(let error): "logout token: \(error.detail)"
        case .logoutTokenRule(let failure): "logout token: \(failure.detail) (\(failure.rule))"
        case .subjectMismatch: "userinfo's sub is not the ID token's (OIDC Core §5.3.2)"
        case .missingIssuerParameter: "the response lacks iss, which the issuer announces (RFC 9207 §2.4)"
        case .wrongIssuerParameter: "the response's iss is another issuer (RFC 9207 §2.4)"
        case .response(let error): "authorization response: \(error.detail)"
        case .malformedResponse(let sentence): "authorization response: \(sentence)"
        case .ours: "randomness or a digest failed"
        }
    }

    /// Whether the verdict failed for want of the issuer: 503 with Retry-After, not a refusal of the user.
    package var isUnavailable: Bool {
        switch self {
        case .unreachable, .failed, .issuerMismatch, .metadata, .missingEndpoint, .noKeys, .malformedAnswer,
            .settings, .answerToken, .busy, .ours:
            true
        // What an introspection endpoint refuses is us, not the token (RFC 7662 §2.3).
        case .refused(.introspection, _, _), .refused(.pushedRequest, _, _): true
        case .refused(_, _, let error): error == "temporarily_unavailable" || error == "server_error"
        case .unknownTokenType, .idToken, .idTokenRule, .logoutToken, .logoutTokenRule, .subjectMismatch,
            .missingIssuerParameter, .wrongIssuerParameter, .response, .malformedResponse:
            false
        }
    }

    /// Whether the issuer could not be asked, or said that it cannot answer now.
    ///
    /// An answer that is no good is none: it may be about one token, and whoever shows it must not make others wait.
    package var isOutage: Bool {
        switch self {
        case .unreachable, .failed: true
        default: false
        }
    }

    /// The OAuth error code with which the issuer refused, if it gave one.
    package var oauthError: String? {
        if case .refused(_, _, let error) = self { error } else { nil }
    }
}
