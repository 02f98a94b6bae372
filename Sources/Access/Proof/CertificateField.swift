// A client's certificate, as a proxy tells of it in a field.
import Cryptography
import Proxy

/// The field in which a trusted proxy that ends TLS tells of the client's certificate.
struct CertificateField: Sendable, Equatable {
    let name: FieldName
    let form: WrittenCertificate.Form

    /// The certificate in DER; nil where the field is absent, there twice, or holds none.
    func certificate(in request: borrowing RequestHead) -> [UInt8]? {
        guard let range = request.first(name), request.count(of: name) == 1 else { return nil }
        return WrittenCertificate.certificate(Array(request.fields.value(range)), form)
    }
}
