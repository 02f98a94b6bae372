// Who vouches for a certificate (RFC 5280 §6).

internal import COpenSSL

/// Authorities whose signatures under the certificates of clients are believed.
@safe package final class CertificateAuthorities: @unchecked Sendable {
    // SAFETY: filled when it is made, then only read; libcrypto locks the store's own cache.
    private let store: OpaquePointer

    /// A certificate for which somebody vouches.
    package struct Proof: Sendable, Equatable {
        /// From the certificate to whoever is believed, in DER.
        package let chain: [[UInt8]]
        /// When the first of them ends, in seconds since 1970.
        package let endsAt: Double
    }

    /// Why nobody vouches for a certificate, in libcrypto's words.
    package struct Doubt: Error, Sendable, Equatable {
        package let reason: String
    }

    /// What a client may send to lead to an authority; more is refused unread.
    private static let longest = 10

    /// Believes every certificate of these texts in PEM.
    package init(pem texts: [String]) throws(CryptoError) {
        guard let store = unsafe X509_STORE_new() else { throw .last("authorities") }
        unsafe self.store = unsafe store
        for text in texts {
            for authority in try CertificateHandle.all(pem: text) {
                guard unsafe X509_STORE_add_cert(store, authority.pointer) == 1 else {
                    throw .last("authorities")
                }
            }
        }
    }

    deinit { unsafe X509_STORE_free(store) }

    /// Whether somebody vouches for a client's certificate at a time, in seconds since 1970.
    ///
    /// - Parameters:
    ///   - others: what the client sent to lead from it to an authority.
    ///   - allowsPartialChain: whether an authority is believed that has another above it.
    package func prove(
        _ der: [UInt8],
        others: [[UInt8]],
        at now: Double,
        allowsPartialChain: Bool = false
    ) throws(Doubt) -> Proof {
        guard others.count <= Self.longest else {
            throw Doubt(reason: "more than \(Self.longest) certificates")
        }
        guard let context = unsafe X509_STORE_CTX_new(), let sent = unsafe copenssl_certificates_new() else {
            throw Doubt(reason: "out of memory")
        }
        defer {
            unsafe X509_STORE_CTX_free(context)
            unsafe copenssl_certificates_free(sent)
            ERR_clear_error()
        }
        let own: CertificateHandle
        do throws(CryptoError) {
            own = try CertificateHandle(der: der)
            for other in others {
                let handle = try CertificateHandle(der: other)
                guard unsafe copenssl_certificates_add(sent, handle.pointer) == 1 else {
                    throw .last("authorities")
                }
            }
        } catch { throw Doubt(reason: "a certificate cannot be read") }
        guard unsafe X509_STORE_CTX_init(context, store, own.pointer, sent) == 1,
            unsafe X509_STORE_CTX_set_default(context, "ssl_client") == 1,
            let terms = unsafe X509_STORE_CTX_get0_param(context)
        else { throw Doubt(reason: "out of memory") }
        unsafe X509_VERIFY_PARAM_set_time(terms, Int(now))
        unsafe X509_VERIFY_PARAM_set_depth(terms, Int32(Self.longest))
        // No less than what Debian asks of a peer: RSA of 2048 bits, nothing signed by SHA-1.
        unsafe X509_VERIFY_PARAM_set_auth_level(terms, 2)
        if allowsPartialChain {
            unsafe X509_VERIFY_PARAM_set_flags(terms, UInt(X509_V_FLAG_PARTIAL_CHAIN))
        }
        guard unsafe X509_verify_cert(context) == 1 else { throw unsafe Self.doubt(context) }
        return try unsafe Self.proof(context, at: now)
    }

    private static func doubt(_ context: OpaquePointer) -> Doubt {
        let code = unsafe X509_STORE_CTX_get_error(context)
        let text = unsafe X509_verify_cert_error_string(Int(code))
        return Doubt(reason: unsafe text.map { unsafe String(cString: $0) } ?? "error \(code)")
    }

    private static func proof(_ context: OpaquePointer, at now: Double) throws(Doubt) -> Proof {
        var chain: [[UInt8]] = []
        var endsAt = Double.infinity
        guard let list = unsafe X509_STORE_CTX_get0_chain(context) else { throw Doubt(reason: "no chain") }
        for place in 0..<(unsafe copenssl_certificate_count(list)) {
            guard let pointer = unsafe copenssl_certificate(list, place), unsafe X509_up_ref(pointer) == 1
            else { throw Doubt(reason: "no chain") }
            let handle = unsafe CertificateHandle(owning: pointer)
            var (days, seconds): (Int32, Int32) = (0, 0)
            guard let now = unsafe ASN1_TIME_set(nil, Int(now)) else { throw Doubt(reason: "no time") }
            defer { unsafe ASN1_TIME_free(now) }
            guard unsafe ASN1_TIME_diff(&days, &seconds, now, X509_get0_notAfter(handle.pointer)) == 1,
                let der = try? handle.der()
            else { throw Doubt(reason: "no chain") }
            endsAt = min(endsAt, Double(days) * 86_400 + Double(seconds))
            chain.append(der)
        }
        guard !chain.isEmpty else { throw Doubt(reason: "no chain") }
        return Proof(chain: chain, endsAt: now.rounded(.down) + endsAt)
    }

    /// The certificates of a text in PEM, in DER.
    package static func read(pem: String) throws(CryptoError) -> [[UInt8]] {
        var all: [[UInt8]] = []
        for handle in try CertificateHandle.all(pem: pem) { all.append(try handle.der()) }
        return all
    }
}
