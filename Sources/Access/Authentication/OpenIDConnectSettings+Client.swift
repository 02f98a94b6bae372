// The settings of one openid-connect instance: who we are to the issuer.
import Cryptography
import Gateway
import JOSE
import JSON
import OIDC

extension OpenIDConnectSettings.IssuerChoice {
    /// With the endpoints at which tokens are asked about or given back, and those for clients that show a certificate.
    func withMoreEndpoints(of settings: Settings) -> Self {
        var choice = self
        choice.introspectionEndpoint = settings.string("introspection_endpoint")
        choice.tokenAlias = settings.string("mtls_token_endpoint")
        choice.introspectionAlias = settings.string("mtls_introspection_endpoint")
        choice.revocationEndpoint = settings.string("revocation_endpoint")
        choice.revocationAlias = settings.string("mtls_revocation_endpoint")
        choice.pushedRequestEndpoint = settings.string("pushed_authorization_request_endpoint")
        return choice
    }
}

extension OpenIDConnectSettings {
    /// The client, as written.
    package struct ClientChoice: Sendable, Equatable {
        var id: String
        var secret: String?
        /// How we authenticate; nil for what the issuer's metadata suggests.
        var authentication: ClientAuthentication?
        /// How we authenticate at the introspection endpoint, where that is another way.
        var introspectionAuthentication: ClientAuthentication?
        /// How we authenticate at the revocation endpoint, where that is another way.
        var revocationAuthentication: ClientAuthentication?
        /// The `id` of the certificate that we show.
        var certificateID: String?
        /// Whether the issuer's certificate is verified where we show ours.
        var verifiesTLS: Bool
        var tokenArguments: [FieldPair]
        /// More fields of the token request.
        var tokenFields: [FieldPair] = []
        /// How we authenticate where authorization requests are pushed, where that is another way.
        var pushAuthentication: ClientAuthentication?
        /// Whether authorization requests are pushed, and whether they are signed; nil for what the metadata demands.
        var pushesRequests: Bool?
        var signsRequests: Bool?

        /// The ways that are written.
        var authentications: [ClientAuthentication] {
            [authentication, introspectionAuthentication, revocationAuthentication, pushAuthentication]
                .compactMap { $0 }
        }
    }

    static func client(_ check: inout SettingsCheck) -> ClientChoice? {
        let settings = check.settings
        guard let id = settings.strings("client_id")?.first else { return nil }
        let hasKey =
            !settings.records("client_jwk").isEmpty || !(settings.strings("client_key") ?? []).isEmpty
        let secret = settings.strings("client_secret")?.first
        let written = settings.string("token_endpoint_auth_method") ?? settings.strings("client_auth")?.first
        let fallback: ClientAuthentication? = hasKey && secret == nil ? .privateKeyJWT : nil
        var choice = ClientChoice(
            id: id,
            secret: secret,
            authentication: written.flatMap { ClientAuthentication(rawValue: $0) } ?? fallback,
            introspectionAuthentication: settings.string("introspection_endpoint_auth_method")
                .flatMap { ClientAuthentication(rawValue: $0) },
            revocationAuthentication: settings.string("revocation_endpoint_auth_method")
                .flatMap { ClientAuthentication(rawValue: $0) },
            certificateID: settings.string("tls_client_auth_cert_id"),
            verifiesTLS: settings.boolean("tls_client_auth_ssl_verify") ?? true,
            tokenArguments: pairs("token_post_args_names", "token_post_args_values", settings)
        )
        choice.tokenFields = pairs("token_headers_names", "token_headers_values", settings)
        choice.pushAuthentication = settings.string("pushed_authorization_request_endpoint_auth_method")
            .flatMap { ClientAuthentication(rawValue: $0) }
        choice.pushesRequests = settings.boolean("require_pushed_authorization_requests")
        choice.signsRequests = settings.boolean("require_signed_request_object")
        if choice.authentications.contains(where: \.usesCertificate), choice.certificateID == nil {
            check.fail("tls_client_auth_cert_id", "is required: the id of the certificate that is shown")
        }
        if !choice.verifiesTLS {
            check.warn(
                "tls_client_auth_ssl_verify",
                "the issuer's certificate is not verified; use trusted_ca_file instead"
            )
        }
        return choice
    }

    /// What signs the client's assertions, by the method that wants them.
    static func assertions(
        _ client: ClientChoice?,
        _ check: inout SettingsCheck
    ) -> [ClientAuthentication: ClientAssertion] {
        guard let client else { return [:] }
        let settings = check.settings
        let written = settings.strings("client_alg")?.first.flatMap { Algorithm(rawValue: $0) }
        let audience = settings.string("client_assertion_audience").flatMap {
            ClientAssertion.Audience(rawValue: $0)
        }
        var assertions: [ClientAuthentication: ClientAssertion] = [:]
        for method in Set(client.authentications) where method.usesAssertion {
            let key = method == .secretJWT ? secretKey(client, &check) : privateKey(&check)
            guard let key else { continue }
            guard let algorithm = written ?? ClientAssertion.usualAlgorithm(of: key) else {
                check.fail("client_jwk", "the key cannot sign; a private key for signatures is needed")
                continue
            }
            let assertion = ClientAssertion(key: key, algorithm, for: audience ?? .issuer)
            do throws(CryptoError) { try assertion.check() } catch {
                let secretText = "the secret is too short for \(algorithm.rawValue), or client_alg is no HS"
                let keyText = "\(algorithm.rawValue) cannot be made with this key; see client_alg"
                check.fail(
                    method == .secretJWT ? "client_secret" : "client_jwk",
                    method == .secretJWT ? secretText : keyText
                )
                continue
            }
            assertions[method] = assertion
        }
        return assertions
    }

    /// What signs authorization requests: the client's private key, where there is one (RFC 9101).
    static func requestSigner(_ client: ClientChoice?, _ check: inout SettingsCheck) -> ClientAssertion? {
        let settings = check.settings
        let hasKey =
            !settings.records("client_jwk").isEmpty || !(settings.strings("client_key") ?? []).isEmpty
        guard let client, client.signsRequests != false else { return nil }
        guard hasKey else {
            if client.signsRequests == true {
                check.fail("require_signed_request_object", "needs a private key: client_jwk or client_key")
            }
            return nil
        }
        let written = settings.strings("client_alg")?.first.flatMap { Algorithm(rawValue: $0) }
        // What is wrong with a key is said where it is asked for; here only that requests cannot be signed with it.
        var silent = check
        if let key = privateKey(&silent), let algorithm = written ?? ClientAssertion.usualAlgorithm(of: key) {
            let signer = ClientAssertion(key: key, algorithm)
            if (try? signer.check()) != nil { return signer }
        }
        if client.signsRequests == true {
            check.fail("require_signed_request_object", "client_jwk or client_key cannot sign by client_alg")
        }
        return nil
    }

    private static func secretKey(_ client: ClientChoice, _ check: inout SettingsCheck) -> JWK? {
        guard let secret = client.secret else {
            check.fail("client_secret", "is required for client_secret_jwt")
            return nil
        }
        return JWK(.symmetric(Secret(utf8: secret)))
    }

    private static func privateKey(_ check: inout SettingsCheck) -> JWK? {
        let settings = check.settings
        if let pem = settings.strings("client_key")?.first {
            do throws(CryptoError) { return JWK(.privateKey(try PrivateKey(pem: Secret(utf8: pem)))) } catch {
                check.fail("client_key", "expected a private key in PEM, without a passphrase")
                return nil
            }
        }
        guard let record = settings.records("client_jwk").first else {
            check.fail("client_jwk", "a private key is required for private_key_jwt, here or in client_key")
            return nil
        }
        var members: [String: JSONValue] = [:]
        for field in OpenIDConnectFields.clientJwkFields {
            if case .list = field.type {
                members[field.name] = record.strings(field.name).map { .array($0.map(JSONValue.string)) }
            } else {
                members[field.name] = record.string(field.name).map(JSONValue.string)
            }
        }
        do throws(JWKError) {
            let key = try JWK(parsing: .object(members), from: .configuration)
            guard case .privateKey = key.material else {
                check.fail("client_jwk", "expected a private key, found another")
                return nil
            }
            return key
        } catch {
            check.fail("client_jwk", "expected a private key as a JWK (RFC 7517): \(reason(error))")
            return nil
        }
    }

    /// What is wrong with a key; nothing of the key itself.
    private static func reason(_ error: JWKError) -> String {
        switch error {
        case .malformed(let member): "the member '\(member)' is absent or malformed"
        case .foreign: "its kind or curve is not supported"
        case .notPublic, .tooShort: "it is too short"
        case .refused: "its parts do not belong together, or it is too weak"
        }
    }
}
