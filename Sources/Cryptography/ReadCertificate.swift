// What a certificate says (RFC 5280): read, and believed by nobody yet.

internal import COpenSSL

/// What a certificate says of itself.
package struct ReadCertificate: Sendable, Equatable {
    /// The subject's distinguished name (RFC 2253: the last part first).
    package let subject: String
    /// The issuer's.
    package let issuer: String
    /// The subject's common names, in order.
    package let commonNames: [String]
    /// Its alternative names of the kinds DNS, e-mail and URI, in order.
    package let alternativeNames: [String]
    /// The serial number, in upper-case hexadecimal.
    package let serialNumber: String
    /// The SHA-1 of the whole, in lower-case hexadecimal: a name for it, and no proof.
    package let fingerprint: String
    /// The whole, in PEM.
    package let pem: String

    /// Reads a certificate in DER; nothing may follow it.
    package init(der: [UInt8]) throws(CryptoError) {
        let handle = try CertificateHandle(der: der)
        guard let subject = unsafe X509_get_subject_name(handle.pointer),
            let issuer = unsafe X509_get_issuer_name(handle.pointer)
        else { throw .last("certificate") }
        self.subject = try unsafe Self.text(subject)
        self.issuer = try unsafe Self.text(issuer)
        self.commonNames = unsafe Self.commonNames(subject)
        self.alternativeNames = Self.alternativeNames(handle)
        let number = try MemoryBIO()
        guard unsafe i2a_ASN1_INTEGER(number.pointer, X509_get0_serialNumber(handle.pointer)) > 0 else {
            throw .last("certificate")
        }
        self.serialNumber = String(decoding: number.bytes, as: UTF8.self)
        self.fingerprint = try Self.fingerprint(der)
        let pem = try MemoryBIO()
        guard unsafe PEM_write_bio_X509(pem.pointer, handle.pointer) == 1 else { throw .last("pem") }
        self.pem = String(decoding: pem.bytes, as: UTF8.self)
    }

    private static func text(_ name: OpaquePointer) throws(CryptoError) -> String {
        let bio = try MemoryBIO()
        guard unsafe X509_NAME_print_ex(bio.pointer, name, 0, copenssl_rfc2253) >= 0 else {
            throw .last("certificate")
        }
        return String(decoding: bio.bytes, as: UTF8.self)
    }

    private static func fingerprint(_ der: [UInt8]) throws(CryptoError) -> String {
        var digest = [UInt8](repeating: 0, count: 20)
        let result = unsafe digest.withUnsafeMutableBufferPointer { digest in
            unsafe EVP_Digest(der, der.count, digest.baseAddress, nil, DigestMethod.sha1.pointer, nil)
        }
        guard result == 1 else { throw .last("digest") }
        let digits = Array("0123456789abcdef")
        return String(digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }

    private static func commonNames(_ name: OpaquePointer) -> [String] {
        var names: [String] = []
        var place: Int32 = -1
        while true {
            place = unsafe X509_NAME_get_index_by_NID(name, NID_commonName, place)
            guard place >= 0 else { return names }
            guard let entry = unsafe X509_NAME_get_entry(name, place) else { return names }
            var octets: UnsafeMutablePointer<UInt8>?
            let count = unsafe ASN1_STRING_to_UTF8(&octets, X509_NAME_ENTRY_get_data(entry))
            guard count >= 0, let start = unsafe octets else {
                ERR_clear_error()
                continue
            }
            defer { unsafe copenssl_free(start) }
            let text = unsafe Array(UnsafeBufferPointer(start: start, count: Int(count)))
            if let name = Self.plain(text) { names.append(name) }
        }
    }

    private static func alternativeNames(_ certificate: CertificateHandle) -> [String] {
        let list = unsafe copenssl_alternative_names(certificate.pointer)
        guard let list = unsafe list else {
            ERR_clear_error()
            return []
        }
        defer { unsafe GENERAL_NAMES_free(list) }
        var names: [String] = []
        for place in 0..<(unsafe copenssl_name_count(list)) {
            guard let text = unsafe copenssl_name_text(list, place) else { continue }
            let count = Int(unsafe ASN1_STRING_length(text))
            guard count > 0, let start = unsafe ASN1_STRING_get0_data(text) else { continue }
            let octets = unsafe Array(UnsafeBufferPointer(start: start, count: count))
            if let name = Self.plain(octets) { names.append(name) }
        }
        return names
    }

    /// A name without control characters: one that looks shorter than it is would be taken for another's.
    private static func plain(_ octets: [UInt8]) -> String? {
        guard !octets.isEmpty, octets.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { return nil }
        return String(validating: octets, as: UTF8.self)
    }
}

/// Owns an X509; freed with the last that holds it.
@safe final class CertificateHandle: @unchecked Sendable {
    // SAFETY: never changed after it was made; libcrypto counts references atomically and locks its own caches.
    let pointer: OpaquePointer

    init(der: [UInt8]) throws(CryptoError) {
        let made: OpaquePointer? = unsafe der.withUnsafeBufferPointer { octets in
            var start = octets.baseAddress
            let made = unsafe d2i_X509(nil, &start, octets.count)
            guard let made = unsafe made else { return nil }
            guard unsafe start == octets.baseAddress.map({ unsafe $0 + octets.count }) else {
                unsafe X509_free(made)
                return nil
            }
            return unsafe made
        }
        guard let made = unsafe made else {
            ERR_clear_error()
            throw .malformedCertificate
        }
        unsafe self.pointer = unsafe made
    }

    init(owning pointer: OpaquePointer) {
        unsafe self.pointer = unsafe pointer
    }

    deinit { unsafe X509_free(pointer) }

    /// Every certificate of a text in PEM.
    static func all(pem: String) throws(CryptoError) -> [CertificateHandle] {
        let bio = try MemoryBIO.reading(Array(pem.utf8))
        var all: [CertificateHandle] = []
        while let next = unsafe PEM_read_bio_X509(bio.pointer, nil, nil, nil) {
            all.append(unsafe CertificateHandle(owning: next))
        }
        // The text's end is an error to libcrypto, and to nobody else.
        ERR_clear_error()
        guard !all.isEmpty else { throw .malformedCertificate }
        return all
    }

    /// The certificate in DER.
    func der() throws(CryptoError) -> [UInt8] {
        let count = unsafe i2d_X509(pointer, nil)
        guard count > 0 else { throw .last("certificate") }
        var octets = [UInt8](repeating: 0, count: Int(count))
        let written = unsafe octets.withUnsafeMutableBufferPointer { octets in
            var start = octets.baseAddress
            return unsafe i2d_X509(pointer, &start)
        }
        guard written == count else { throw .last("certificate") }
        return octets
    }
}
