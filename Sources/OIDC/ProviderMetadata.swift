// An issuer's metadata, checked.
import Fetch
import JSON

/// The endpoints of an issuer, found in metadata or written in a configuration.
package struct ProviderEndpoints: Sendable, Hashable {
    package var authorization: String?
    package var token: String?
    package var userinfo: String?
    package var introspection: String?
    package var revocation: String?
    package var endSession: String?
    package var pushedAuthorization: String?

    /// No endpoint.
    package init() {}

    private static var names: [(String, any WritableKeyPath<ProviderEndpoints, String?> & Sendable)] {
        [
            ("authorization_endpoint", \.authorization), ("token_endpoint", \.token),
            ("userinfo_endpoint", \.userinfo), ("introspection_endpoint", \.introspection),
            ("revocation_endpoint", \.revocation), ("end_session_endpoint", \.endSession),
            ("pushed_authorization_request_endpoint", \.pushedAuthorization),
        ]
    }

    /// Every endpoint that there is.
    var all: [String] { Self.names.compactMap { self[keyPath: $0.1] } }

    /// Reads the endpoints of a metadata document; one that is no text refuses all of it.
    init(_ document: JSONValue) throws(OIDCError) {
        for (name, path) in Self.names {
            guard let value = document[name], !value.isNull else { continue }
            guard let url = value.string else { throw .metadata("\(name) is not a string") }
            self[keyPath: path] = url
        }
    }

    /// Checks that every endpoint is https, or http where that is allowed (A20).
    func check(_ policy: FetchPolicy) throws(OIDCError) {
        for (name, path) in Self.names {
            guard let url = self[keyPath: path] else { continue }
            let address = try IssuerSettings.checked(url, as: name, policy)
            guard !address.hasFragment else {
                throw .settings("the \(name) must not have a fragment (RFC 6749 §3.1)")
            }
        }
    }

    /// These endpoints, and the others' where these name none.
    func completed(by others: ProviderEndpoints) -> ProviderEndpoints {
        var result = self
        for (_, path) in Self.names where result[keyPath: path] == nil {
            result[keyPath: path] = others[keyPath: path]
        }
        return result
    }
}

/// An issuer's metadata, checked (OIDC Discovery §3, RFC 8414 §2).
package struct ProviderMetadata: Sendable, Hashable {
    /// The issuer identifier, equal to the configuration's.
    package let issuer: String
    /// The endpoints; the configuration's own ones win.
    package let endpoints: ProviderEndpoints
    /// Endpoints for clients that authenticate by a certificate, where they are others (RFC 8705 §5).
    package let aliases: ProviderEndpoints
    /// Where its keys are.
    package let jwksURL: String?
    /// How a client may authenticate at the token endpoint; empty if unsaid.
    package let clientAuthenticationMethods: [String]
    /// How a client may authenticate at the introspection endpoint; the token endpoint's ways if unsaid.
    package let introspectionAuthenticationMethods: [String]
    /// How a client may authenticate at the revocation endpoint; the token endpoint's ways if unsaid.
    package let revocationAuthenticationMethods: [String]
    /// The algorithms of its ID tokens; empty if unsaid.
    package let idTokenAlgorithms: [String]
    /// Whether its authorization responses carry `iss` (RFC 9207 §3).
    package let announcesIssuerParameter: Bool
    /// Whether it takes no authorization request that was not pushed (RFC 9126 §5).
    package let requiresPushedRequests: Bool
    /// Whether it takes no authorization request that is not signed (RFC 9101 §10.5).
    package let requiresSignedRequests: Bool
    /// The algorithms of its signed authorization responses; empty if unsaid (JARM §4).
    package let responseAlgorithms: [String]

    /// Reads what was discovered for `settings`.
    ///
    /// The issuer must be equal to the configuration's, byte for byte (OIDC Discovery §4.3).
    init(_ document: JSONValue, for settings: IssuerSettings) throws(OIDCError) {
        guard document.object != nil else { throw .metadata("the document is not a JSON object") }
        guard let issuer = document["issuer"]?.string else { throw .metadata("issuer is missing") }
        guard !issuer.contains("{tenantid}") else { throw .tenantTemplate(issuer) }
        guard issuer.utf8.elementsEqual(settings.issuer.utf8) else { throw .issuerMismatch(found: issuer) }
        let endpoints = settings.endpoints.completed(by: try ProviderEndpoints(document))
        let named = try document["mtls_endpoint_aliases"].map { aliases throws(OIDCError) in
            guard aliases.object != nil else { throw .metadata("mtls_endpoint_aliases is not an object") }
            return try ProviderEndpoints(aliases)
        }
        let aliases = settings.aliases.completed(by: named ?? ProviderEndpoints())
        let jwksURL = settings.jwksEndpoint ?? document["jwks_uri"]?.string
        do {
            try endpoints.check(settings.policy)
            try aliases.check(settings.policy)
            if let jwksURL, settings.jwksEndpoint == nil {
                _ = try IssuerSettings.checked(jwksURL, as: "jwks_uri", settings.policy)
            }
        } catch .settings(let sentence) {
            throw .metadata(sentence)
        }
        guard jwksURL != nil else { throw .metadata("jwks_uri is missing") }
        self.issuer = issuer
        self.endpoints = endpoints
        self.aliases = aliases
        self.jwksURL = jwksURL
        let methods = document["token_endpoint_auth_methods_supported"]?.strings ?? []
        self.clientAuthenticationMethods = methods
        self.introspectionAuthenticationMethods =
            document["introspection_endpoint_auth_methods_supported"]?.strings ?? methods
        self.revocationAuthenticationMethods =
            document["revocation_endpoint_auth_methods_supported"]?.strings ?? methods
        self.idTokenAlgorithms = document["id_token_signing_alg_values_supported"]?.strings ?? []
        self.announcesIssuerParameter =
            document["authorization_response_iss_parameter_supported"]?.bool ?? false
        self.requiresPushedRequests = document["require_pushed_authorization_requests"]?.bool ?? false
        self.requiresSignedRequests = document["require_signed_request_object"]?.bool ?? false
        self.responseAlgorithms = document["authorization_signing_alg_values_supported"]?.strings ?? []
    }

    /// What a pseudo issuer has: the configuration's own endpoints.
    init(pseudo settings: IssuerSettings) {
        self.issuer = settings.issuer
        self.endpoints = settings.endpoints
        self.aliases = settings.aliases
        self.jwksURL = settings.jwksEndpoint
        self.clientAuthenticationMethods = []
        self.introspectionAuthenticationMethods = []
        self.revocationAuthenticationMethods = []
        self.idTokenAlgorithms = []
        self.announcesIssuerParameter = false
        self.requiresPushedRequests = false
        self.requiresSignedRequests = false
        self.responseAlgorithms = []
    }

    /// Where browsers are sent to log in.
    func authorizationEndpoint() throws(OIDCError) -> String {
        guard let endpoint = self.endpoints.authorization else {
            throw .missingEndpoint("authorization_endpoint")
        }
        return endpoint
    }
}
