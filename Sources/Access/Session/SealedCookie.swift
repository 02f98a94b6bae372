// Octets sealed into one or several cookies.
package import Cryptography
import JOSE

/// Why octets were not sealed.
package enum SealError: Error, Sendable, Equatable {
    /// They need more cookies than we write.
    case tooLarge
    /// There is no randomness, or the cipher failed.
    case cipher(CryptoError)
}

/// Seals octets for a cookie of one name and one purpose, and opens them.
///
/// AES-256-GCM under a key derived for each sealing (HKDF-SHA256 over the ring's key, 16 random octets, name and
/// purpose) with a fresh random nonce; authenticated besides: version, key id, name, purpose. The expiry is
/// inside. Whatever does not open is no cookie at all: no reason is told (security row S3).
package struct SealedCookie: Sendable {
    /// What the cookie is for; part of its key.
    package let purpose: String
    /// The keys of the ring.
    package let ring: SealingKeyRing

    /// Version, key id and salt stand before what AES-GCM gives.
    private static let headerBytes = 1 + 4 + 16
    private static let version: UInt8 = 1
    /// Nonce and tag.
    private static let overheadBytes = 12 + 16
    /// Longest name and value together that browsers keep (K3).
    package static let maximumCookieBytes = 4096
    /// Most cookies that one sealed value may take (E5).
    package static let maximumChunks = 5

    /// Seals for one purpose.
    package init(purpose: String, ring: SealingKeyRing) {
        self.purpose = purpose
        self.ring = ring
    }

    // MARK: One text

    /// Seals `plaintext` under `name` until `expires`, as base64url.
    package func seal(_ plaintext: [UInt8], name: String, expires: Double) throws(SealError) -> String {
        do throws(CryptoError) {
            let key = ring.newest
            var header = [Self.version]
            header.append(contentsOf: key.idOctets)
            header.append(contentsOf: try Random.bytes(16))
            let inner = Self.octets(of: UInt64(max(0, expires.rounded(.up)))) + plaintext
            let sealed = try AES256GCM.seal(
                inner,
                key: try derived(key, header, name),
                authenticating: authenticated(header, name)
            )
            return Base64URL.encode(header + sealed)
        } catch {
            throw .cipher(error)
        }
    }

    /// Opens what `seal` gave for the same name and purpose, unless it has expired.
    package func open(_ text: Span<UInt8>, name: String, at now: Double) -> [UInt8]? {
        guard let octets = Base64URL.decode(text),
            octets.count >= Self.headerBytes + Self.overheadBytes + 8, octets[0] == Self.version,
            let key = ring.key(Hexadecimal.encode(octets[1..<5]))
        else { return nil }
        let header = Array(octets[..<Self.headerBytes])
        do throws(CryptoError) {
            let inner = try AES256GCM.open(
                Array(octets[Self.headerBytes...]),
                key: try derived(key, header, name),
                authenticating: authenticated(header, name)
            )
            guard inner.count >= 8 else { return nil }
            let expires = inner[..<8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            guard now < Double(expires) else { return nil }
            return Array(inner[8...])
        } catch {
            return nil
        }
    }

    /// Whether the ring's newest key sealed the text; nothing else of it is looked at.
    func isByNewestKey(_ text: Span<UInt8>) -> Bool {
        // Eight digits of base64url are six octets: the version, the key's id, and one of the salt.
        guard text.count >= 8, let octets = Base64URL.decode(text.extracting(0..<8)) else { return false }
        return octets[1..<5].elementsEqual(ring.newest.idOctets)
    }

    private func derived(
        _ key: SealingKey,
        _ header: [UInt8],
        _ name: String
    ) throws(CryptoError) -> SymmetricKey {
        try SymmetricKey(
            HKDF.sha256(
                key.secret,
                salt: Array(header[5...]),
                info: "gatehouse cookie " + Self.tuple([name, purpose]),
                count: 32
            )
        )
    }

    private func authenticated(_ header: [UInt8], _ name: String) -> [UInt8] {
        header + Self.tuple([name, purpose]).utf8
    }

    // MARK: Several cookies

    /// Splits a sealed text into cookies: the first holds how many there are, then its part.
    ///
    /// - Returns: names and values, each at most `maximumCookieBytes` together with its `=`.
    package static func split(
        _ text: String,
        name: String
    ) throws(SealError) -> [(name: String, value: String)] {
        let octets = Array(text.utf8)
        let room = maximumCookieBytes - name.utf8.count - 3
        var parts: [(name: String, value: String)] = []
        var start = 0
        while start < octets.count {
            let end = min(octets.count, start + room)
            let part = String(decoding: octets[start..<end], as: UTF8.self)
            parts.append((chunkName(name, parts.count), part))
            guard parts.count <= maximumChunks else { throw .tooLarge }
            start = end
        }
        guard let first = parts.first else { return [] }
        parts[0].value = "\(parts.count).\(first.value)"
        return parts
    }

    /// The name of a sealed text's cookie number `index`.
    package static func chunkName(_ name: String, _ index: Int) -> String {
        index == 0 ? name : "\(name)_\(index)"
    }

    /// How many cookies the first one's value announces; nil for anything but a digit from 1 to the bound, then
    /// a dot.
    static func count(in value: Span<UInt8>) -> Int? {
        guard value.count > 2, value[1] == UInt8(ascii: ".") else { return nil }
        let count = Int(value[0]) - 0x30
        return (1...maximumChunks).contains(count) ? count : nil
    }

    // MARK: Octets

    /// Texts as one text, such that no two tuples are alike: each with its length before it.
    static func tuple(_ texts: [String]) -> String {
        texts.reduce(into: "") { $0 += "\($1.utf8.count):\($1)" }
    }

    private static func octets(of number: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) }
    }
}
