// The way back as a token: signed authorization responses.
import JOSE
import JSON

extension RelyingParty {
    /// The parameters in a signed authorization response (JARM §2.4); an unknown key makes the keys be fetched once.
    ///
    /// Checked are form, algorithm, signature, `iss`, `aud` and `exp`. That `state` belongs to this browser the
    /// caller has seen before, as the standard wants; the same rules hold for what is within as for a plain response.
    ///
    /// - Parameter response: the parameter as it came.
    /// - Returns: names and values of texts; `iss` is the token's own.
    package func parameters(ofResponse response: String) async throws(OIDCError) -> [(String, String)] {
        let metadata = try await self.issuer.ready(within: .infinity)
        if self.issuer.keys.isEmpty { _ = await self.issuer.keysAfterUnknownKey(seen: 0) }
        let snapshot = self.issuer.keySnapshot
        guard !snapshot.keys.isEmpty else { throw .noKeys }
        let claims: JSONValue
        do throws(OIDCError) {
            claims = try self.responseClaims(response, metadata, snapshot.keys)
        } catch .response(.unknownKey) {
            guard await self.issuer.keysAfterUnknownKey(seen: snapshot.version) == .refreshed else {
                throw .response(.unknownKey)
            }
            claims = try self.responseClaims(response, metadata, self.issuer.keys)
        }
        guard claims["state"]?.string != nil else { throw .malformedResponse("state is missing") }
        guard (claims["code"] == nil) != (claims["error"] == nil) else {
            throw .malformedResponse("expected either code or error")
        }
        return (claims.object ?? [:]).compactMap { name, value in value.string.map { (name, $0) } }
    }

    private func responseClaims(
        _ response: String,
        _ metadata: ProviderMetadata,
        _ keys: JWKSet
    ) throws(OIDCError) -> JSONValue {
        let octets = Array(response.utf8)
        guard octets.count(where: { $0 == 0x2e }) == 2 else {
            throw .malformedResponse("expected a signed token; encrypted ones are not served")
        }
        var wanted = TokenExpectations(
            issuers: [metadata.issuer],
            audiences: [self.clientID],
            algorithms: Self.responseAlgorithms(metadata)
        )
        wanted.leeway = self.leeway
        let token: VerifiedToken
        do throws(TokenError) {
            token = try TokenVerifier.verify(
                octets,
                keys: keys,
                expecting: wanted,
                at: NumericDate(seconds: self.issuer.line.clock())
            )
        } catch {
            throw .response(error)
        }
        // An access token is another thing, whatever claims it has (B10).
        guard token.header["typ"]?.string.map({ !$0.lowercased().hasSuffix("at+jwt") }) ?? true else {
            throw .malformedResponse("it is an access token")
        }
        return token.claims
    }

    /// The asymmetric algorithms that the metadata names, or else the standard's one (JARM §3).
    private static func responseAlgorithms(_ metadata: ProviderMetadata) -> Set<Algorithm> {
        let named = Set(metadata.responseAlgorithms.compactMap { Algorithm(rawValue: $0) })
        let usable = named.intersection(Algorithm.asymmetric)
        return usable.isEmpty ? [.rs256] : usable
    }
}
