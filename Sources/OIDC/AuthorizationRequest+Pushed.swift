// The way out where the URL shall not carry what is asked: signed, pushed, or both.
import Cryptography
import Fetch
import JOSE
import JSON

extension RelyingParty {
    /// Where to send the browser, by the way that the configuration or the issuer's metadata demands.
    ///
    /// A pushed request is told to the issuer here, by us and once (RFC 9126); what the browser carries then is only
    /// its name.
    ///
    /// - Parameters:
    ///   - request: kept by the caller until the answer comes.
    ///   - extra: further parameters; reserved names and names said twice are left out.
    package func destination(
        of request: AuthorizationRequest,
        extra: [(String, String)] = [],
        at metadata: ProviderMetadata
    ) async throws(OIDCError) -> String {
        let endpoint = try metadata.authorizationEndpoint()
        var parameters = try self.parameters(request, extra)
        if self.signsRequests ?? metadata.requiresSignedRequests {
            let signed = try self.requestObject(parameters)
            // OpenID Connect wants these beside the object; an issuer by RFC 9101 §5 looks at `client_id` alone.
            parameters = parameters.filter { ["response_type", "client_id", "scope"].contains($0.0) }
            parameters.append(("request", signed))
        }
        guard self.pushesRequests ?? metadata.requiresPushedRequests else {
            return FormEncoding.append(parameters, to: endpoint)
        }
        let name = try await self.push(parameters, metadata)
        return FormEncoding.append([("client_id", self.clientID), ("request_uri", name)], to: endpoint)
    }

    // MARK: Signed

    /// How long a signed request is good for, in seconds.
    static var requestSeconds: Double { 300 }

    /// The parameters as a JWT of ours (RFC 9101 §4, OIDC Core §6.1).
    ///
    /// It is typed, has no `sub` and is for this issuer, so that it can stand for nothing else (RFC 9101 §10.8).
    func requestObject(_ parameters: [(String, String)]) throws(OIDCError) -> String {
        guard let signer = self.requestSigner else {
            throw .settings("the issuer wants signed requests, and there is no client_jwk or client_key")
        }
        let now = self.issuer.line.clock().rounded(.down)
        var claims: [String: JSONValue] = [
            "iss": .string(self.clientID), "aud": .string(self.issuer.settings.issuer),
            "iat": .integer(Int64(now)), "nbf": .integer(Int64(now)),
            "exp": .integer(Int64(now + Self.requestSeconds)),
        ]
        for (name, value) in parameters {
            switch claims[name] {
            case .none: claims[name] = name == "max_age" ? Self.number(value) : .string(value)
            case .some(.array(let values)): claims[name] = .array(values + [.string(value)])
            case .some(let first): claims[name] = .array([first, .string(value)])
            }
        }
        do throws(CryptoError) {
            claims["jti"] = .string(Base64URL.encode(try Random.bytes(16)))
            return try signer.sign(claims, type: "oauth-authz-req+jwt")
        } catch {
            throw .ours
        }
    }

    private static func number(_ text: String) -> JSONValue {
        Int64(text).map { .integer($0) } ?? .string(text)
    }

    // MARK: Pushed

    /// Tells the issuer the request; gives the name under which the browser brings it (RFC 9126 §2).
    private func push(
        _ parameters: [(String, String)],
        _ metadata: ProviderMetadata
    ) async throws(OIDCError) -> String {
        let method =
            self.pushAuthentication ?? self.authentication
            ?? .usual(hasSecret: self.clientSecret != nil, supported: metadata.clientAuthenticationMethods)
        let endpoint = try metadata.endpoint(
            \.pushedAuthorization,
            "pushed_authorization_request_endpoint",
            by: method
        )
        // Ways to authenticate that name the client themselves name it once.
        let own = method == .basic ? parameters : parameters.filter { $0.0 != "client_id" }
        do throws(OIDCError) {
            let response = try await self.post(
                own,
                fields: [("Accept", "application/json")],
                to: endpoint,
                by: method,
                for: .pushedRequest
            )
            let name = try Self.name(response)
            self.issuer.line.report(.pushedRequest, nil)
            return name
        } catch {
            self.issuer.line.report(.pushedRequest, error)
            throw error
        }
    }

    /// The `request_uri` of a good answer (RFC 9126 §2.2); 200 is what some issuers say for 201.
    private static func name(_ response: FetchResponse) throws(OIDCError) -> String {
        let document = try? JSONValue(parsing: response.body)
        switch response.status {
        case 200, 201:
            guard let name = document?["request_uri"]?.string, (1...2048).contains(name.utf8.count),
                name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
            else { throw .malformedAnswer(.pushedRequest, "request_uri is missing or no URI") }
            return name
        case 400..<429, 430..<500:
            let error = document.flatMap(TokenAnswer.errorCode)
            throw .refused(.pushedRequest, status: response.status, error: error)
        default: throw .failed(.pushedRequest, status: response.status)
        }
    }
}
