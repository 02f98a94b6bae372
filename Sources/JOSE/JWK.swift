// A key as JSON: what it is made of, and what it may be used for.

package import Cryptography
package import JSON

/// Where keys come from: what may be believed of them.
package enum KeySource: Sendable {
    /// Fetched from an issuer: public keys alone.
    case network
    /// Written by the operator: private and symmetric keys too.
    case configuration
}

/// Why a JSON value is no key that can be used.
package enum JWKError: Error, Sendable, Equatable {
    /// Not an object, or a member is absent or of the wrong type.
    case malformed(member: String)
    /// The kind of key, or its curve, is not supported; skipped without complaint.
    case foreign
    /// A private or symmetric key where only public ones may be (J11).
    case notPublic
    /// A symmetric key is shorter than its algorithm asks (J3).
    case tooShort
    /// libcrypto, or our checks, refused the key (J5).
    case refused(CryptoError)
}

/// A key with what its issuer says of its use (RFC 7517 §4).
package struct JWK: Sendable {
    /// What the key is made of.
    package enum Material: Sendable {
        case publicKey(PublicKey)
        case privateKey(PrivateKey)
        case symmetric(Secret)
    }

    /// What the key is made of.
    package let material: Material
    /// The key's name in its set.
    package let kid: String?
    /// The only algorithm it is for, if one is named: of signature or of encryption.
    package let algorithm: String?
    /// What it is for: `sig` or `enc`, if that is said.
    package let use: String?
    /// What may be done with it, if that is said.
    package let operations: [String]?

    /// A key made here.
    package init(
        _ material: Material,
        kid: String? = nil,
        algorithm: String? = nil,
        use: String? = nil,
        operations: [String]? = nil
    ) {
        self.material = material
        self.kid = kid
        self.algorithm = algorithm
        self.use = use
        self.operations = operations
    }

    /// Reads and checks a key.
    package init(parsing value: JSONValue, from source: KeySource) throws(JWKError) {
        guard value.object != nil else { throw .malformed(member: "") }
        kid = try value.optionalText("kid")
        algorithm = try value.optionalText("alg")
        use = try value.optionalText("use")
        operations = try Self.operations(value)
        switch try value.text("kty") {
        case "RSA", "EC", "OKP": material = try Self.pair(value, source)
        case "oct":
            guard source == .configuration else { throw .notPublic }
            material = .symmetric(try Self.secret(value, algorithm))
        default: throw .foreign
        }
    }

    /// Duplicates must not be (RFC 7517 §4.3).
    private static func operations(_ value: JSONValue) throws(JWKError) -> [String]? {
        guard let member = value["key_ops"] else { return nil }
        guard let operations = member.strings, Set(operations).count == operations.count else {
            throw .malformed(member: "key_ops")
        }
        return operations
    }

    private static func secret(_ value: JSONValue, _ algorithm: String?) throws(JWKError) -> Secret {
        let bytes = try value.octets("k")
        // The shortest that any algorithm of ours takes: AES-128 (RFC 7518 §4.4).
        guard bytes.count >= 16 else { throw .tooShort }
        if let algorithm = algorithm.flatMap(Algorithm.init), case .hmac(let digest) = algorithm.method {
            guard bytes.count >= digest.byteCount else { throw .tooShort }
        }
        return Secret(bytes)
    }

    private static func pair(_ value: JSONValue, _ source: KeySource) throws(JWKError) -> Material {
        let components = try value.publicComponents()
        let secretNames = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]
        let isPublic = secretNames.allSatisfy { value[$0] == nil }
        guard isPublic || source == .configuration else { throw .notPublic }
        do {
            guard !isPublic else { return .publicKey(try PublicKey(components)) }
        } catch { throw .refused(error) }
        let secret = try value.privateComponents()
        do { return .privateKey(try PrivateKey(components, secret)) } catch { throw .refused(error) }
    }

    /// The key that verifies, or that others encrypt to; nothing for a shared secret.
    package var publicKey: PublicKey? {
        switch material {
        case .publicKey(let key): key
        case .privateKey(let key): key.publicKey
        case .symmetric: nil
        }
    }
}

extension JSONValue {
    fileprivate func optionalText(_ name: String) throws(JWKError) -> String? {
        guard let member = self[name] else { return nil }
        guard let text = member.string else { throw .malformed(member: name) }
        return text
    }

    fileprivate func text(_ name: String) throws(JWKError) -> String {
        guard let text = self[name]?.string else { throw .malformed(member: name) }
        return text
    }

    fileprivate func octets(_ name: String) throws(JWKError) -> [UInt8] {
        guard let bytes = Base64URL.decode(try text(name)), !bytes.isEmpty else {
            throw .malformed(member: name)
        }
        return bytes
    }

    /// RFC 7518 §6.2.1 and §6.3.1, RFC 8037 §2.
    fileprivate func publicComponents() throws(JWKError) -> PublicComponents {
        switch try text("kty") {
        case "RSA": return .rsa(modulus: try octets("n"), exponent: try octets("e"))
        case "EC":
            guard let curve = CurveName.elliptic[try text("crv")] else { throw .foreign }
            return .elliptic(curve, x: try octets("x"), y: try octets("y"))
        default:
            guard let curve = CurveName.octets[try text("crv")] else { throw .foreign }
            return .octets(curve, try octets("x"))
        }
    }

    /// RFC 7518 §6.2.2 and §6.3.2, RFC 8037 §2; keys of more than two primes are not supported.
    fileprivate func privateComponents() throws(JWKError) -> PrivateComponents {
        switch try text("kty") {
        case "RSA":
            guard self["oth"] == nil else { throw .foreign }
            return .rsa(
                d: Secret(try octets("d")),
                p: Secret(try octets("p")),
                q: Secret(try octets("q")),
                dp: Secret(try octets("dp")),
                dq: Secret(try octets("dq")),
                qi: Secret(try octets("qi"))
            )
        case "EC": return .elliptic(Secret(try octets("d")))
        default: return .octets(Secret(try octets("d")))
        }
    }
}

/// The registered names of curves (RFC 7518 §6.2.1.1, RFC 8037 §2, RFC 8812 §3.1).
enum CurveName {
    static let elliptic: [String: EllipticCurve] = [
        "P-256": .p256, "P-384": .p384, "P-521": .p521, "secp256k1": .secp256k1,
    ]
    static let octets: [String: OctetCurve] = [
        "Ed25519": .ed25519, "Ed448": .ed448, "X25519": .x25519, "X448": .x448,
    ]

    static func name(_ curve: EllipticCurve) -> String {
        switch curve {
        case .p256: "P-256"
        case .p384: "P-384"
        case .p521: "P-521"
        case .secp256k1: "secp256k1"
        }
    }

    static func name(_ curve: OctetCurve) -> String {
        switch curve {
        case .ed25519: "Ed25519"
        case .ed448: "Ed448"
        case .x25519: "X25519"
        case .x448: "X448"
        }
    }
}
