// A token taken apart: its form is known, nothing in it is believed.

internal import JSON

/// How much a token may ask of its reader, and what its payload must be.
package struct TokenForm: Sendable {
    /// What a payload must be.
    package enum Payload: Sendable {
        /// A JSON object: the claims of a JWT.
        case claims
        /// Any bytes (RFC 7515).
        case bytes
        /// Any bytes; where the header says `b64: false` and marks it as critical, as they are (RFC 7797).
        case bytesOrUnencoded
    }

    /// The greatest size of the text; judged before it is split (J8).
    package var maximumBytes: Int
    /// What the payload must be.
    package var payload: Payload

    /// Sets both.
    package init(maximumBytes: Int = 16 * 1024, payload: Payload = .claims) {
        self.maximumBytes = maximumBytes
        self.payload = payload
    }

    /// A JWT of at most 16 KiB.
    package static let standard = TokenForm()
}

/// A compact JWS taken apart (RFC 7515 §7.1): nothing in it may be acted upon but to find the key.
package struct UnverifiedToken: Sendable {
    /// The header, and what the rules ask of it.
    let read: ReadHeader
    /// The payload's bytes.
    let payload: [UInt8]
    /// The payload as an object; nothing where the form asks for bytes alone.
    let claims: JSONObjectText?
    let signature: [UInt8]
    /// Whether the payload is not base64url, as the header says and the form allows.
    let isUnencoded: Bool
    private let text: [UInt8]
    private let headerCount: Int
    private let isHeaderKnown: Bool
    private let signedCount: Int

    /// Takes a token apart; judges size, form and JSON and nothing else.
    ///
    /// A token of five parts is encrypted and refused before anything of it is decoded (J7).
    ///
    /// - Parameter known: headers that need not be read again.
    package init(
        parsing bytes: [UInt8],
        form: TokenForm = .standard,
        known: (any HeaderMemory)? = nil
    ) throws(TokenError) {
        let text = bytes.span
        let dots = try Self.dots(in: text, form)
        guard dots.count != 4 else { throw .unsupportedAlgorithm }
        guard dots.count == 2 else { throw .malformed(.parts) }
        let (first, second) = (dots.places[0], dots.places[1])
        let headerText = text.extracting(..<first)
        let knownHeader = known?.header(headerText)
        let headerBytes = knownHeader == nil ? Base64URL.decode(headerText) : []
        guard let headerBytes else { throw .malformed(.encoding(part: "header")) }
        let payloadText = text.extracting((first + 1)..<second)
        let decoded = Base64URL.decode(payloadText)
        guard decoded != nil || form.payload == .bytesOrUnencoded else {
            throw .malformed(.encoding(part: "payload"))
        }
        guard let signature = Base64URL.decode(text.extracting((second + 1)...)) else {
            throw .malformed(.encoding(part: "signature"))
        }
        let read: ReadHeader
        if let knownHeader { read = knownHeader } else { read = try ReadHeader(headerBytes) }
        let isUnencoded = form.payload == .bytesOrUnencoded && TokenHeader.isUnencoded(read.text)
        guard let payload = isUnencoded ? payloadText.copy() : decoded else {
            throw .malformed(.encoding(part: "payload"))
        }
        claims = form.payload == .claims ? try Self.claims(payload) : nil
        self.read = read
        self.isUnencoded = isUnencoded
        self.payload = payload
        self.signature = signature
        self.text = bytes
        headerCount = first
        isHeaderKnown = knownHeader != nil
        signedCount = second
    }

    /// The header, a JSON object with a string `alg`.
    package var header: JSONObjectText { read.text }

    /// Lets a memory keep the header; called once the token is proven.
    package func keepHeader(in memory: any HeaderMemory) {
        guard !isHeaderKnown else { return }
        memory.keep(read, for: text.span.extracting(..<headerCount))
    }

    /// What was signed: the first two parts with the dot between them (RFC 7515 §5.1).
    var signed: ArraySlice<UInt8> { text[..<signedCount] }

    /// The key's name as the header gives it; never a path, a query or a URL to follow (J10, B9).
    package var kid: String? { read.kid }

    /// The issuer as the token claims it: to choose the keys that may prove it, for nothing else.
    package var unverifiedIssuer: String? { claims?.string("iss") }

    /// Whether the token claims to be of just this issuer.
    package func claimsToBe(of issuer: String) -> Bool { claims?.string("iss", is: issuer) ?? false }

    /// Whether the token claims to be for `audience`: to choose who may prove it, for nothing else.
    package func claimsToBe(for audience: String) -> Bool { claims?.names("aud", oneOf: [audience]) ?? false }

    /// Reads claims: a JSON object by the strict rules.
    static func claims(_ payload: [UInt8]) throws(TokenError) -> JSONObjectText {
        do { return try JSONObjectText(payload) } catch { throw .malformed(.payload) }
    }

    /// The places of a text's dots, four at most.
    struct Dots {
        fileprivate(set) var count = 0
        fileprivate(set) var places = InlineArray<4, Int>(repeating: 0)
    }

    /// Where the dots are; stops at the fifth (J8).
    static func dots(in text: Span<UInt8>, _ form: TokenForm) throws(TokenError) -> Dots {
        guard text.count <= form.maximumBytes else { throw .tooLarge(limit: form.maximumBytes) }
        var dots = Dots()
        var index = text.place(of: UInt8(ascii: "."), from: 0)
        while index < text.count {
            guard dots.count < dots.places.count else { throw .malformed(.parts) }
            dots.places[dots.count] = index
            dots.count += 1
            index = text.place(of: UInt8(ascii: "."), from: index + 1)
        }
        return dots
    }
}

extension Span<UInt8> {
    /// The bytes as an array.
    func copy() -> [UInt8] {
        [UInt8](capacity: count) { output in
            for index in indices { output.append(self[index]) }
        }
    }

    /// The place of the first such byte from `start` on, or the end.
    ///
    /// Whole blocks are asked with one smallest value each, which the compiler makes a few vector instructions of.
    fileprivate func place(of byte: UInt8, from start: Int) -> Int {
        var index = start
        while index &+ 32 <= count {
            let block = extracting(index..<(index &+ 32))
            var least: UInt8 = 0xFF
            for offset in 0..<32 { least = Swift.min(least, block[offset] ^ byte) }
            guard least > 0 else { break }
            index &+= 32
        }
        while index < count, self[index] != byte { index &+= 1 }
        return index
    }
}
