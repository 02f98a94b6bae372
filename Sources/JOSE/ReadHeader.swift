// A token's header, read once: most tokens of an issuer have the same.

/// A header as it was written, with what the rules ask of it found out; nothing in it is believed.
package final class ReadHeader: Sendable {
    /// The header, a JSON object with a string `alg`.
    let text: JSONObjectText
    /// The key's name.
    let kid: String?
    /// What `alg` names; nothing for what is not known here.
    let algorithm: Algorithm?
    /// Whether something in it must be understood that is not understood here.
    let isCritical: Bool
    /// What `typ` names.
    let type: TokenType?

    /// Reads a header.
    init(_ octets: [UInt8]) throws(TokenError) {
        text = try TokenHeader.parse(octets)
        kid = text.string("kid")
        algorithm = TokenHeader.named(text)
        do throws(TokenError) {
            try TokenHeader.checkCritical(text)
            isCritical = false
        } catch { isCritical = true }
        type = text.string("typ").map(TokenType.init)
    }

    /// About how many bytes of memory it holds.
    package var approximateBytes: Int { text.approximateBytes + 256 }
}

/// Remembers headers by the octets that they were read from, base64url as a token has it.
///
/// Whoever keeps one keeps it of a token that was proven, so that forged ones push nothing out.
package protocol HeaderMemory: AnyObject {
    /// The header that was read from these octets.
    func header(_ octets: Span<UInt8>) -> ReadHeader?
    /// Keeps a header of a token that was proven.
    func keep(_ header: ReadHeader, for octets: Span<UInt8>)
}
