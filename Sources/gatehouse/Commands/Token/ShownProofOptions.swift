// The flags that say what a token is shown with.
import ArgumentParser
import Cryptography
import Foundation
import JOSE

/// A proof of the key or the certificate that a token is bound to.
struct ShownProofOptions: ParsableArguments {
    @Option(help: "The value of the field DPoP that came with the token (RFC 9449).")
    var proof: String?
    @Option(help: "The method of the request that the proof is for.")
    var method = "GET"
    @Option(help: "The address of the request that the proof is for.")
    var url: String?
    @Option(help: "The nonce that the proof must carry.")
    var nonce: String?
    @Option(help: "A PEM file with the certificate that the client showed (RFC 8705).")
    var certificate: String?

    /// Whether nothing of it is judged.
    var isEmpty: Bool { proof == nil && certificate == nil }

    func validate() throws {
        guard proof == nil || certificate == nil else {
            throw ValidationError("Give --proof or --certificate, not both.")
        }
        guard (proof == nil) == (url == nil) else {
            throw ValidationError("--proof and --url belong together: a proof is for one request.")
        }
        guard nonce == nil || proof != nil else { throw ValidationError("--nonce belongs to --proof.") }
    }

    /// What is shown; nil where there is nothing.
    func read() throws -> ShownProof? {
        if let proof, let url {
            return .key(proof: Array(proof.utf8), method: method, target: url, nonce: nonce)
        }
        guard let certificate else { return nil }
        guard let data = FileManager.default.contents(atPath: certificate) else {
            throw Question.impossible("The file \(certificate) cannot be read.")
        }
        // In a field's form there is a reader for PEM alone.
        let escaped = data.flatMap { $0 == UInt8(ascii: "%") ? Array("%25".utf8) : [$0] }
        guard let der = WrittenCertificate.certificate(escaped, .percentEncodedPEM) else {
            throw Question.impossible("The file \(certificate) does not begin with a certificate in PEM.")
        }
        return .certificate(der)
    }
}
