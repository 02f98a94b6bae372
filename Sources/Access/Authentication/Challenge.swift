// What a 401 or a 403 asks for.

/// Builds `WWW-Authenticate` values (RFC 6750 §3, RFC 7617 §2, RFC 9449 §7.1, RFC 9470 §3, RFC 9728 §5.1).
package struct Challenge: Sendable, Equatable {
    /// The realm: the issuer's host.
    package let realm: String
    /// Whether the error code is told.
    package let exposesErrors: Bool
    /// Whether tokens are taken without a proof that is signed for the request.
    var takesBearer = true
    /// The algorithms of proofs that are taken, where they are; nil where none is asked for.
    var proofAlgorithms: String?
    /// Where the resource is described; nil where it is not.
    var resourceMetadata: String?

    /// Challenges of one realm; what may not stand in a quoted string is left out.
    package init(realm: String, exposesErrors: Bool) {
        self.realm = Self.quotable(realm)
        self.exposesErrors = exposesErrors
    }

    /// A `Bearer` challenge; without an error when no credential was shown.
    package func bearer(error: String? = nil, scope: String? = nil) -> String {
        bearer(error: error, [("scope", scope)])
    }

    /// A `DPoP` challenge.
    ///
    /// Its error is always told where it is about the proof: a client needs it to make a better one.
    func proof(error: String? = nil, _ parameters: [(String, String?)] = []) -> String {
        let isNeeded = error == "use_dpop_nonce" || error == "invalid_dpop_proof"
        return challenge(
            "DPoP",
            error: exposesErrors || isNeeded ? error : nil,
            parameters + [("algs", proofAlgorithms)]
        )
    }

    /// The ways to show a token, with the error of one that was shown.
    func tokens(error: String? = nil, _ parameters: [(String, String?)] = []) -> [String] {
        (takesBearer ? [bearer(error: error, parameters)] : [])
            + (proofAlgorithms == nil ? [] : [proof(error: error, parameters)])
    }

    /// A `Basic` challenge.
    package var basic: String { "Basic realm=\"\(realm)\", charset=\"UTF-8\"" }

    private func bearer(error: String?, _ parameters: [(String, String?)]) -> String {
        let told = exposesErrors ? parameters : parameters.filter { $0.0 != "scope" }
        return challenge("Bearer", error: exposesErrors ? error : nil, told)
    }

    private func challenge(_ scheme: String, error: String?, _ parameters: [(String, String?)]) -> String {
        var text = "\(scheme) realm=\"\(realm)\""
        for (name, value) in [("error", error)] + parameters + [("resource_metadata", resourceMetadata)] {
            if let value { text += ", \(name)=\"\(Self.quotable(value))\"" }
        }
        return text
    }

    private static func quotable(_ text: String) -> String {
        String(
            decoding: text.utf8.filter { $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != 0x5C },
            as: UTF8.self
        )
    }
}
