// Which keys may open a token, and the content key that they give.

internal import Cryptography
internal import JSON

/// Finds the content key of an encrypted token (RFC 7516 §5.2).
enum DecryptionKeys {
    /// The keys that fit: those that the token names or, if it names none, any; never more than a few.
    static func keys(
        of set: JWKSet,
        _ header: JSONObjectText,
        _ management: KeyManagement,
        _ encryption: ContentEncryption
    ) throws(TokenError) -> [JWK] {
        let candidates = header["kid"]?.string.map { set.named($0) } ?? set.keys
        let ofKind = candidates.filter { fitsKind($0, management, encryption) }
        guard !ofKind.isEmpty || candidates.isEmpty else { throw .algorithmNotAllowed }
        let fitting = ofKind.filter(isForDecryption)
        guard !fitting.isEmpty else { throw .unknownKey }
        guard fitting.count <= KeySelection.limit else { throw .ambiguousKey(limit: KeySelection.limit) }
        return fitting
    }

    private static func isForDecryption(_ key: JWK) -> Bool {
        if case .publicKey = key.material { return false }
        guard key.use == nil || key.use == "enc" else { return false }
        guard let operations = key.operations else { return true }
        return ["decrypt", "unwrapKey", "deriveKey", "deriveBits"].contains(where: operations.contains)
    }

    private static func fitsKind(
        _ key: JWK,
        _ management: KeyManagement,
        _ encryption: ContentEncryption
    ) -> Bool {
        if let named = key.algorithm, named != management.rawValue {
            // A key for `dir` may be named by what it encrypts.
            guard management == .direct, named == encryption.rawValue else { return false }
        }
        switch (management.method, key.material) {
        case (.direct, .symmetric(let secret)): return secret.count == encryption.keyByteCount
        case (.wrap(let count), .symmetric(let secret)), (.gcmWrap(let count), .symmetric(let secret)):
            return secret.count == count
        case (.password, .symmetric): return true
        case (.rsa, _), (.rsaPKCS1, _):
            if case .rsa = key.publicKey?.kind { return true }
            return false
        case (.agree, _):
            switch key.publicKey?.kind {
            case .elliptic, .octets(.x25519), .octets(.x448): return true
            case .rsa, .octets(.ed25519), .octets(.ed448), nil: return false
            }
        case (.direct, _), (.wrap, _), (.gcmWrap, _), (.password, _): return false
        }
    }

    /// The content key by one key.
    static func contentKey(
        _ token: JWE.Parts,
        _ key: JWK,
        _ management: KeyManagement,
        _ encryption: ContentEncryption
    ) throws(CryptoError) -> Secret {
        switch (management.method, key.material) {
        case (.direct, .symmetric(let secret)):
            guard token.encryptedKey.isEmpty else { throw .notAuthentic }
            return secret
        case (.wrap, .symmetric(let secret)):
            return try AESKeyWrap.unwrap(token.encryptedKey.span, under: secret)
        case (.gcmWrap, .symmetric(let secret)):
            guard let nonce = octets(token.header["iv"]), let tag = octets(token.header["tag"]) else {
                throw .notAuthentic
            }
            return Secret(
                try AESGCM.open(
                    token.encryptedKey.span,
                    tag: tag.span,
                    key: secret,
                    nonce: nonce.span,
                    authenticating: Span()
                )
            )
        case (.rsa(let hash), .privateKey(let key)):
            return try orRandom(encryption.keyByteCount) { () throws(CryptoError) in
                try RSAOAEP.decrypt(token.encryptedKey.span, with: key, hash)
            }
        case (.rsaPKCS1, .privateKey(let key)):
            return try orRandom(encryption.keyByteCount) { () throws(CryptoError) in
                try RSAPKCS1.decrypt(token.encryptedKey.span, with: key)
            }
        case (.password(let digest, let count), .symmetric(let password)):
            let wrapping = try PasswordKey.derive(password, token.header, digest, count)
            return try AESKeyWrap.unwrap(token.encryptedKey.span, under: wrapping)
        case (.agree(let wrapKeyCount), .privateKey(let key)):
            return try agreedKey(token, key, wrapKeyCount, encryption)
        case (.direct, _), (.wrap, _), (.gcmWrap, _), (.rsa, _), (.agree, _), (.rsaPKCS1, _), (.password, _):
            throw .wrongKeyKind
        }
    }

    /// A decrypted key of the right length, or a random one, which is drawn in either case.
    ///
    /// Whether the wrapping or the content was wrong is not to be told apart (RFC 7516 §11.5).
    private static func orRandom(
        _ count: Int,
        _ decrypt: () throws(CryptoError) -> Secret
    ) throws(CryptoError) -> Secret {
        let random = try Secret.random(count)
        guard let found = try? decrypt(), found.count == count else { return random }
        return found
    }

    /// ECDH-ES (RFC 7518 §4.6): the sender's key of one use, our key, one block or more of Concat KDF.
    private static func agreedKey(
        _ token: JWE.Parts,
        _ key: PrivateKey,
        _ wrapKeyCount: Int?,
        _ encryption: ContentEncryption
    ) throws(CryptoError) -> Secret {
        guard let sender = token.header["epk"], let peer = try? JWK(parsing: sender, from: .network).publicKey
        else { throw .malformedKey }
        let shared = try DiffieHellman.secret(key, with: peer)
        let name = wrapKeyCount == nil ? encryption.rawValue : token.header["alg"]?.string ?? ""
        let derived = try ConcatKDF.derive(
            shared,
            algorithm: name,
            apu: octets(token.header["apu"]) ?? [],
            apv: octets(token.header["apv"]) ?? [],
            count: wrapKeyCount ?? encryption.keyByteCount
        )
        guard wrapKeyCount != nil else {
            guard token.encryptedKey.isEmpty else { throw .notAuthentic }
            return derived
        }
        return try AESKeyWrap.unwrap(token.encryptedKey.span, under: derived)
    }

    private static func octets(_ value: JSONValue?) -> [UInt8]? {
        value?.string.flatMap { Base64URL.decode($0) }
    }
}

/// The one-step derivation of NIST SP 800-56A §5.8.1 with SHA-256, as RFC 7518 §4.6.2 fills it in.
enum ConcatKDF {
    static func derive(
        _ shared: Secret,
        algorithm: String,
        apu: [UInt8],
        apv: [UInt8],
        count: Int
    ) throws(CryptoError) -> Secret {
        let name = Array(algorithm.utf8)
        let other =
            word(name.count) + name + word(apu.count) + apu + word(apv.count) + apv + word(count * 8)
        var output: [UInt8] = []
        var round = 1
        while output.count < count {
            output += try Digest.sha256.hash(word(round) + shared.copy() + other)
            round += 1
        }
        return Secret(output.span.extracting(first: count))
    }

    private static func word(_ value: Int) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }
}
