// A JWE made for another party, by every way that is opened here.

package import Cryptography
package import JSON

extension JWE {
    /// Encrypts bytes to a key; the header gets the algorithms, the key's name and what the way needs.
    ///
    /// RFC 7516 §5.1. PBES2 iterates as often as is taken at most.
    package static func encrypt(
        _ plaintext: [UInt8],
        to key: JWK,
        _ management: KeyManagement,
        _ encryption: ContentEncryption,
        header: [String: JSONValue] = [:]
    ) throws(CryptoError) -> String {
        var header = header
        header["alg"] = .string(management.rawValue)
        header["enc"] = .string(encryption.rawValue)
        if let kid = key.kid { header["kid"] = .string(kid) }
        let (contentKey, encryptedKey) = try wrappedKey(key, management, encryption, &header)
        guard contentKey.count == encryption.keyByteCount else {
            throw .wrongLength(expected: encryption.keyByteCount)
        }
        let head = Base64URL.encode(JSONValue.object(header).serialized())
        let nonce = try Random.bytes(encryption.isGCM ? 12 : 16)
        let data = Array(head.utf8)
        let box =
            encryption.isGCM
            ? try AESGCM.seal(plaintext.span, key: contentKey, nonce: nonce.span, authenticating: data.span)
            : try AESCBCHMAC.seal(
                plaintext.span,
                key: contentKey,
                nonce: nonce.span,
                authenticating: data.span
            )
        let parts = [encryptedKey, nonce, box.ciphertext, box.tag].map { Base64URL.encode($0) }
        return ([head] + parts).joined(separator: ".")
    }

    /// A content key, and how it is sent.
    private static func wrappedKey(
        _ key: JWK,
        _ management: KeyManagement,
        _ encryption: ContentEncryption,
        _ header: inout [String: JSONValue]
    ) throws(CryptoError) -> (Secret, [UInt8]) {
        let fresh = try Secret.random(encryption.keyByteCount)
        switch (management.method, key.material) {
        case (.direct, .symmetric(let secret)): return (secret, [])
        case (.wrap(let count), .symmetric(let secret)):
            guard secret.count == count else { throw .wrongLength(expected: count) }
            return (fresh, try AESKeyWrap.wrap(fresh, under: secret))
        case (.gcmWrap(let count), .symmetric(let secret)):
            guard secret.count == count else { throw .wrongLength(expected: count) }
            let nonce = try Random.bytes(12)
            let box = try fresh.withBytes { fresh throws(CryptoError) in
                try AESGCM.seal(fresh, key: secret, nonce: nonce.span, authenticating: Span())
            }
            header["iv"] = .string(Base64URL.encode(nonce))
            header["tag"] = .string(Base64URL.encode(box.tag))
            return (fresh, box.ciphertext)
        case (.password(let digest, let count), .symmetric(let password)):
            header["p2s"] = .string(Base64URL.encode(try Random.bytes(16)))
            header["p2c"] = .integer(Int64(PasswordKey.iterations.upperBound))
            guard let written = try? JSONObjectText(JSONValue.object(header).serialized()) else {
                throw .malformedKey
            }
            let wrapping = try PasswordKey.derive(password, written, digest, count)
            return (fresh, try AESKeyWrap.wrap(fresh, under: wrapping))
        case (.direct, _), (.wrap, _), (.gcmWrap, _), (.password, _): throw .wrongKeyKind
        case (.rsa, _), (.rsaPKCS1, _), (.agree, _):
            guard let peer = key.publicKey else { throw .wrongKeyKind }
            return try wrappedKey(fresh, to: peer, management, encryption, &header)
        }
    }

    /// A content key that is sent under a public key.
    private static func wrappedKey(
        _ fresh: Secret,
        to peer: PublicKey,
        _ management: KeyManagement,
        _ encryption: ContentEncryption,
        _ header: inout [String: JSONValue]
    ) throws(CryptoError) -> (Secret, [UInt8]) {
        switch management.method {
        case .direct, .wrap, .gcmWrap, .password: throw .wrongKeyKind
        case .rsa(let hash):
            return (fresh, try RSAOAEP.encrypt(fresh, to: peer, hash))
        case .rsaPKCS1:
            return (fresh, try RSAPKCS1.encrypt(fresh, to: peer))
        case .agree(let wrapKeyCount):
            let own = try PrivateKey.generate(peer.kind)
            header["epk"] = JWK(.publicKey(own.publicKey)).publicJSON
            let derived = try ConcatKDF.derive(
                DiffieHellman.secret(own, with: peer),
                algorithm: wrapKeyCount == nil ? encryption.rawValue : management.rawValue,
                apu: header["apu"]?.string.flatMap { Base64URL.decode($0) } ?? [],
                apv: header["apv"]?.string.flatMap { Base64URL.decode($0) } ?? [],
                count: wrapKeyCount ?? encryption.keyByteCount
            )
            guard wrapKeyCount != nil else { return (derived, []) }
            return (fresh, try AESKeyWrap.wrap(fresh, under: derived))
        }
    }
}
