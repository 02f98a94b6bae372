// The openid-connect plugin: what whoever shows a token has to prove besides.
import Cryptography
import Gateway
import JOSE
import OIDC
import Proxy

extension OpenIDConnect {
    // MARK: Possession

    /// Checks that the client holds what its token is bound to, for this request; a remembered token is no exception.
    func prove(_ possession: Possession, _ passage: Passage) throws(Refusal) {
        if let fault = possession.fault { throw badCredential("proof-required", detail: fault) }
        let isByProof = isShownByProof(passage)
        if let thumbprint = possession.keyThumbprint {
            guard isByProof else {
                throw badCredential(
                    "proof-required",
                    detail: "the token is bound to a key and was not shown by the scheme DPoP (RFC 9449 §7.2)"
                )
            }
            try proveKey(thumbprint, possession.tokenHash, passage)
        } else if isByProof || settings.proof.dpop == .strict {
            throw badCredential("token-not-bound", detail: "the token has no cnf with jkt (RFC 9449 §7.1)")
        }
        if let thumbprint = possession.certificateThumbprint {
            try proveCertificate(thumbprint, passage)
        } else if settings.proof.mtls == .strict {
            throw badCredential("token-not-bound", detail: "the token has no cnf with x5t#S256 (RFC 8705 §3)")
        }
    }

    func isShownByProof(_ passage: Passage) -> Bool {
        guard let range = passage.request.first(.authorization) else { return false }
        return after("dpop ", range, passage.request) != nil
    }

    /// RFC 8705 §3: the certificate of the connection, or the one that a trusted proxy tells of.
    private func proveCertificate(_ thumbprint: String, _ passage: Passage) throws(Refusal) {
        let hash: [UInt8]?
        do throws(CryptoError) { hash = try certificateHash(passage) } catch {
            throw .failed(settings.cause("internal-error"))
        }
        guard let hash else {
            throw badCredential(
                "proof-required",
                detail: "the token is bound to a certificate, and the client showed none"
            )
        }
        guard equalInConstantTime(Array(Base64URL.encode(hash).utf8), Array(thumbprint.utf8)) else {
            throw badCredential("wrong-certificate", detail: "the token is bound to another certificate")
        }
    }

    /// SHA-256 of the client's certificate; nil where it has shown none.
    func certificateHash(_ passage: Passage) throws(CryptoError) -> [UInt8]? {
        if let field = settings.proof.certificateField, passage.client.isTrustedPeer {
            // The connection's certificate is the proxy's here.
            guard let certificate = field.certificate(in: passage.request) else { return nil }
            return try Digest.sha256.hash(certificate)
        }
        return try passage.client.certificate?.thumbprint { der throws(CryptoError) in
            try Digest.sha256.hash(der)
        }
    }

    // MARK: DPoP

    /// RFC 9449 §4.3: every rule on the proof, then that it was not taken before.
    private func proveKey(
        _ thumbprint: String,
        _ tokenHash: String,
        _ passage: Passage
    ) throws(Refusal) {
        let request = passage.request
        guard let range = request.first(.dpop) else {
            throw badProof("proof-required", "the field DPoP is absent", passage)
        }
        guard request.count(of: .dpop) == 1 else {
            throw badProof("repeated-proof", "there are several fields DPoP (RFC 9449 §4.3 (1))", passage)
        }
        let facts: DPoPFacts
        do throws(DPoPError) {
            facts = try verify(Array(request.fields.value(range)), thumbprint, tokenHash, passage)
        } catch {
            throw badProof(error.reason, "\(error.detail) (\(error.rule))", passage)
        }
        if passage.door != .explanation { try noteProof(facts, thumbprint, passage) }
        if let nonces = proofNonces, let nonce = facts.nonce,
            nonces.age(of: nonce, at: passage.now) == .former
        {
            offerNonce(passage)
        }
    }

    private func verify(
        _ text: [UInt8],
        _ thumbprint: String,
        _ tokenHash: String,
        _ passage: Passage
    ) throws(DPoPError) -> DPoPFacts {
        let proof = try DPoPProof(text)
        let memory = services.proofKeys(passage.worker)
        let known = memory.value(proof.header.span, asker: 0)
        let key: DPoPKey
        if let known { key = known } else { key = try DPoPKey(header: proof.header.span) }
        let facts = try proof.verified(
            by: key,
            expecting: proofExpectations(thumbprint, tokenHash, passage),
            at: NumericDate(seconds: passage.now)
        )
        if known == nil { memory.keep(key, for: proof.header.span, asker: 0) }
        return facts
    }

    /// What a proof for this request must agree with.
    func proofExpectations(
        _ thumbprint: String,
        _ tokenHash: String,
        _ passage: Passage
    ) -> DPoPExpectations {
        let (nonces, now) = (proofNonces, passage.now)
        return DPoPExpectations(
            method: passage.request.methodText,
            isTarget: ProofTarget(passage: passage, limits: services.limits).matches,
            tokenHash: tokenHash,
            keyThumbprint: thumbprint,
            lifetime: settings.proof.lifetime,
            leeway: settings.tokens.leeway,
            isNonce: nonces.map { nonces in { nonces.age(of: $0, at: now) != nil } }
        )
    }

    /// A proof counts once (RFC 9449 §11.1).
    private func noteProof(
        _ facts: DPoPFacts,
        _ thumbprint: String,
        _ passage: Passage
    ) throws(Refusal) {
        let verdict = try? services.state.proofs?.note(
            facts.identifier,
            of: thumbprint,
            until: facts.expires,
            at: passage.now
        )
        switch verdict {
        case .fresh: return
        case .replayed: throw badProof("proof-replayed", "jti was shown before (RFC 9449 §11.1)", passage)
        case .full:
            throw .unavailable(
                retryAfterSeconds: 60,
                settings.cause("proof-memory-full", detail: "a shorter dpop_proof_lifetime needs less room")
            )
        case nil: throw .failed(settings.cause("internal-error"))
        }
    }

    /// The refusal of a proof, with what a better one needs.
    private func badProof(_ reason: String, _ detail: String, _ passage: Passage) -> Refusal {
        let error = reason == "proof-nonce-required" ? "use_dpop_nonce" : "invalid_dpop_proof"
        offerNonce(passage)
        return .unauthenticated(
            settings.cause(
                reason,
                challenges: [settings.answers.challenge.proof(error: error)],
                detail: detail
            )
        )
    }

    /// Tells the client the nonce for its next proof (RFC 9449 §9).
    private func offerNonce(_ passage: Passage) {
        guard let nonce = proofNonces?.current(at: passage.now) else { return }
        // A nonce is base64url: a field may hold it.
        try? passage.answer.set(.dpopNonce, nonce)
    }

    // MARK: Step-up

    /// Asks for a stronger or newer authentication where the credential's is not enough (RFC 9470): of a browser by a
    /// login, of everyone else by 401.
    func stepUp(_ proven: ProvenCredential, _ passage: Passage) throws(Refusal) -> Step? {
        guard let choice = settings.stepUp, let authentication = proven.authentication,
            let (reason, detail) = authentication.refusal(
                choice,
                leeway: settings.tokens.leeway,
                at: passage.now
            )
        else { return nil }
        if let session = proven.session, settings.methods.contains(.authorizationCode),
            passage.isBrowserNavigation,
            passage.door == .proxy
        {
            passage.reason = reason
            return try beginLogin(
                passage,
                target: ownTarget(passage),
                hosts: passage.route?.hosts ?? [],
                // A session that has served for a while did hold: its user is asked again because of its age.
                by: passage.now - session.createdAt > 10 ? .user : .request
            )
        }
        let text = "A different authentication level is required"
        throw .unauthenticated(
            settings.cause(
                reason,
                challenges: settings.answers.challenge.tokens(
                    error: "insufficient_user_authentication",
                    [("error_description", text)] + choice.parameters.map { ($0.name, $0.value) }
                ),
                detail: detail
            )
        )
    }

    /// An authorization request that asks for the authentication which the route wants.
    func asked(_ request: AuthorizationRequest) -> AuthorizationRequest {
        guard let choice = settings.stepUp else { return request }
        var request = request
        request.maximumAge = choice.maximumAge
        request.contexts = choice.contexts
        return request
    }
}
