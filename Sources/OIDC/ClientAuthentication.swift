// Who we are to an issuer, and how we show it.
package import Cryptography
import Fetch
import Foundation
package import JOSE
import JSON

/// How a client authenticates at an endpoint; the names of the registry (OIDC Core §9, RFC 8705 §2).
package enum ClientAuthentication: String, Sendable, CaseIterable {
    case basic = "client_secret_basic"
    case post = "client_secret_post"
    case secretJWT = "client_secret_jwt"
    case privateKeyJWT = "private_key_jwt"
    case tls = "tls_client_auth"
    case selfSignedTLS = "self_signed_tls_client_auth"
    case none

    /// The method that is used when the configuration names none: basic, unless the issuer takes only post.
    package static func usual(hasSecret: Bool, supported: [String]) -> ClientAuthentication {
        guard hasSecret else { return .none }
        guard !supported.isEmpty, !supported.contains(Self.basic.rawValue) else { return .basic }
        return supported.contains(Self.post.rawValue) ? .post : .basic
    }

    /// Whether the client shows a certificate.
    package var usesCertificate: Bool { self == .tls || self == .selfSignedTLS }
    /// Whether the client signs an assertion.
    package var usesAssertion: Bool { self == .secretJWT || self == .privateKeyJWT }
}

/// What signs a client's assertions, and for whom they are (RFC 7523 §3).
package struct ClientAssertion: Sendable {
    /// What stands in `aud`.
    package enum Audience: String, Sendable, CaseIterable {
        /// The issuer identifier alone: no other issuer can use the assertion.
        case issuer
        /// The endpoint's URL, for issuers that take nothing else.
        case endpoint
    }

    /// How long an assertion is good for, in seconds.
    package static let seconds = 60.0

    private let key: JWK
    private let algorithm: Algorithm
    private let audience: Audience

    /// Signs with `key`, which must fit the algorithm.
    package init(key: JWK, _ algorithm: Algorithm, for audience: Audience = .issuer) {
        self.key = key
        self.algorithm = algorithm
        self.audience = audience
    }

    /// The algorithm for a key that names none; nil for one that cannot sign.
    package static func usualAlgorithm(of key: JWK) -> Algorithm? {
        if let name = key.algorithm { return Algorithm(rawValue: name) }
        switch key.material {
        case .symmetric: return .hs256
        case .publicKey: return nil
        case .privateKey(let key):
            switch key.kind {
            case .rsa: return .rs256
            case .elliptic(.p256): return .es256
            case .elliptic(.p384): return .es384
            case .elliptic(.p521): return .es512
            case .elliptic(.secp256k1): return .es256K
            case .octets(let curve): return curve.signatureByteCount == nil ? nil : .edDSA
            }
        }
    }

    /// Signs once, to see that key and algorithm belong together.
    package func check() throws(CryptoError) { _ = try self.text("check", "check", "check", at: 0) }

    /// One assertion; no two are alike.
    func text(
        _ clientID: String,
        _ issuer: String,
        _ endpoint: String,
        at now: Double
    ) throws(CryptoError) -> String {
        let time = now.rounded(.down)
        let claims: JSONValue = [
            "iss": .string(clientID), "sub": .string(clientID),
            "aud": .string(self.audience == .issuer ? issuer : endpoint),
            "jti": .string(Base64URL.encode(try Random.bytes(16))),
            "iat": .integer(Int64(time)), "exp": .integer(Int64(time + Self.seconds)),
        ]
        return try JWS.sign(claims: claims, key: self.key, self.algorithm, header: ["typ": "JWT"])
    }

    /// Signs claims as a JWT of that `typ`.
    func sign(_ claims: [String: JSONValue], type: String) throws(CryptoError) -> String {
        try JWS.sign(claims: .object(claims), key: self.key, self.algorithm, header: ["typ": .string(type)])
    }
}

/// What shows an endpoint who we are: one method a request (A15).
struct ClientProof {
    var field: (String, String)?
    var parameters: [(String, String)] = []
    var certificate: FetchCertificate?
}

extension RelyingParty {
    /// The type of assertions (RFC 7523 §2.2).
    private static let assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

    /// What is sent to `endpoint` by `method`.
    func proof(_ method: ClientAuthentication, for endpoint: String) throws(OIDCError) -> ClientProof {
        let name = ("client_id", self.clientID)
        switch method {
        case .none: return ClientProof(parameters: [name])
        case .post:
            let text = self.clientSecret.map { String(decoding: $0.copy(), as: UTF8.self) } ?? ""
            return ClientProof(parameters: [name, ("client_secret", text)])
        case .basic:
            // Both parts are form-encoded first, so that a colon or a letter beyond ASCII survives (RFC 6749 §2.3.1).
            let pair =
                FormEncoding.encode(self.clientID.utf8) + [0x3a]
                + FormEncoding.encode(self.clientSecret?.copy() ?? [])
            return ClientProof(field: ("Authorization", "Basic " + Data(pair).base64EncodedString()))
        case .secretJWT, .privateKeyJWT:
            guard let assertion = self.assertions[method] else {
                throw .settings("\(method.rawValue) has nothing to sign with")
            }
            let issuer = self.issuer.settings.issuer
            do throws(CryptoError) {
                let text = try assertion.text(self.clientID, issuer, endpoint, at: self.issuer.line.clock())
                return ClientProof(parameters: [
                    name, ("client_assertion_type", Self.assertionType), ("client_assertion", text),
                ])
            } catch {
                throw .ours
            }
        case .tls, .selfSignedTLS:
            guard let certificate = self.certificate else {
                throw .settings("\(method.rawValue) has no certificate to show")
            }
            guard WebAddress.scheme(of: endpoint) == "https" else {
                throw .settings("\(method.rawValue) needs an https endpoint")
            }
            return ClientProof(parameters: [name], certificate: certificate)
        }
    }

    /// Sends a form to one of the issuer's endpoints, with what shows who we are.
    func post(
        _ parameters: [(String, String)],
        fields: [(String, String)],
        to endpoint: String,
        by method: ClientAuthentication,
        for purpose: IssuerRequest,
        limit: Int = 1 << 20
    ) async throws(OIDCError) -> FetchResponse {
        let proof = try self.proof(method, for: endpoint)
        let body = FormEncoding.encode(parameters + proof.parameters)
        let all =
            [("Content-Type", "application/x-www-form-urlencoded")] + [proof.field].compactMap { $0 } + fields
        var request = FetchRequest(method: "POST", url: endpoint, fields: all, body: Array(body.utf8))
        request.certificate = proof.certificate
        request.maximumBodyBytes = limit
        return try await self.issuer.line.send(request, for: purpose)
    }
}

extension ProviderMetadata {
    /// Where a client that authenticates so finds an endpoint (RFC 8705 §5).
    func endpoint(
        _ path: KeyPath<ProviderEndpoints, String?>,
        _ name: String,
        by method: ClientAuthentication
    ) throws(OIDCError) -> String {
        let alias = method.usesCertificate ? self.aliases[keyPath: path] : nil
        guard let endpoint = alias ?? self.endpoints[keyPath: path] else { throw .missingEndpoint(name) }
        return endpoint
    }
}
