// The session's cookies on the way in and out.
import Proxy

/// Reads and writes the cookies of one kind of session.
package struct SessionCookies: Sendable {
    /// The name without prefix.
    package let name: String
    /// How the cookies are bound.
    package let attributes: CookieAttributes
    /// Seals their content.
    package let seal: SealedCookie
    /// How long sessions live.
    package let limits: SessionLimits

    /// The full names, for http and for https.
    private let plainName: String
    private let secureName: String
    private let plainOctets: [UInt8]
    private let secureOctets: [UInt8]

    /// Cookies of one kind of session.
    package init(name: String, attributes: CookieAttributes, seal: SealedCookie, limits: SessionLimits) {
        self.name = name
        self.attributes = attributes
        self.seal = seal
        self.limits = limits
        plainName = attributes.fullName(name, https: false)
        secureName = attributes.fullName(name, https: true)
        plainOctets = Array(plainName.utf8)
        secureOctets = Array(secureName.utf8)
    }

    /// The cookie's full name for a request by this scheme.
    package func fullName(https: Bool) -> String { https ? secureName : plainName }

    func octets(https: Bool) -> [UInt8] { https ? secureOctets : plainOctets }

    /// Whether a cookie's name is ours, whichever the scheme and the part.
    func isOurs(_ name: Span<UInt8>) -> Bool {
        Self.isPart(name, of: plainOctets) || Self.isPart(name, of: secureOctets)
    }

    private static func isPart(_ name: Span<UInt8>, of whole: [UInt8]) -> Bool {
        guard name.count >= whole.count, CookieJar.matches(name, 0..<whole.count, whole) else { return false }
        if name.count == whole.count { return true }
        guard name.count == whole.count + 2, name[whole.count] == UInt8(ascii: "_") else { return false }
        return 0x31...0x39 ~= name[whole.count + 1]
    }

    // MARK: In

    /// What a request's cookies hold.
    enum Presented<Found> {
        /// No cookie of ours.
        case none
        /// Cookies of ours that cannot be put together, or are there twice (security rows K4, E5).
        case broken
        /// What was made of the sealed text.
        case sealed(Found)
    }

    /// Lends the sealed text in the `Cookie` field to `body`; copied only where it comes in several parts.
    func presented<Found>(
        in field: Span<UInt8>,
        https: Bool,
        _ body: (Span<UInt8>) -> Found
    ) -> Presented<Found> {
        let sighting = CookieJar.find(octets(https: https), in: field)
        guard sighting.count > 0 else { return .none }
        guard sighting.count == 1 else { return .broken }
        let first = field.extracting(sighting.value)
        guard let count = SealedCookie.count(in: first) else { return .broken }
        guard count > 1 else { return .sealed(body(first.extracting(2..<first.count))) }
        var text: [UInt8] = []
        text.reserveCapacity(count * SealedCookie.maximumCookieBytes)
        for index in 2..<first.count { text.append(first[index]) }
        for part in 1..<count {
            let name = Array(SealedCookie.chunkName(fullName(https: https), part).utf8)
            let sighting = CookieJar.find(name, in: field)
            guard sighting.count == 1 else { return .broken }
            for index in sighting.value { text.append(field[index]) }
        }
        return .sealed(body(text.span))
    }

    /// Opens a sealed text.
    func open(_ text: Span<UInt8>, https: Bool, at now: Double) -> Session? {
        guard let octets = seal.open(text, name: fullName(https: https), at: now),
            let session = Session(serialized: octets), limits.isAlive(session, at: now)
        else { return nil }
        return session
    }

    // MARK: Out

    /// `Set-Cookie` values that keep `session`, and remove the parts that it no longer needs.
    ///
    /// - Parameter present: how many parts the request had.
    func lines(_ session: Session, https: Bool, present: Int) throws(SealError) -> [String] {
        let name = fullName(https: https)
        let text = try seal.seal(session.serialized(), name: name, expires: limits.end(of: session))
        return try lines(sealed: text, https: https, present: present)
    }

    /// `Set-Cookie` values that keep a sealed text, and remove the parts that it does not need.
    ///
    /// - Parameter maximumAge: seconds; nil for cookies that end with the browser.
    func lines(
        sealed text: String,
        https: Bool,
        present: Int,
        maximumAge: Int? = nil
    ) throws(SealError) -> [String] {
        let name = fullName(https: https)
        let parts = try SealedCookie.split(text, name: name)
        var lines = parts.map { attributes.line($0.name, $0.value, https: https, maximumAge: maximumAge) }
        for part in parts.count..<max(parts.count, present) {
            lines.append(attributes.removal(SealedCookie.chunkName(name, part), https: https))
        }
        return lines
    }

    /// `Set-Cookie` values that remove every part that the request had, and the first in any case.
    func removals(https: Bool, present: Int) -> [String] {
        let name = fullName(https: https)
        return (0..<max(1, present)).map {
            attributes.removal(SealedCookie.chunkName(name, $0), https: https)
        }
    }

    /// How many parts of the session the `Cookie` field has, by their highest number.
    func presentParts(in field: Span<UInt8>, https: Bool) -> Int {
        let name = fullName(https: https)
        let parts = 0..<SealedCookie.maximumChunks
        let highest = parts.last {
            CookieJar.find(Array(SealedCookie.chunkName(name, $0).utf8), in: field).count > 0
        }
        return highest.map { $0 + 1 } ?? 0
    }
}
