// The cookies of logins on their way: one for each attempt.
import Cryptography
import Proxy

/// Reads and writes the cookies of login attempts.
///
/// Each attempt has a cookie whose name carries the state's hash, so that several tabs do not disturb each other;
/// at most `maximumAttempts` are kept (security row A1).
struct LoginCookies: Sendable {
    /// First part of the name, without prefix.
    let name: String
    let attributes: CookieAttributes
    let seal: SealedCookie
    /// How long an attempt may take.
    let seconds: Double

    /// Most attempts that one browser keeps.
    static let maximumAttempts = 8

    private let plainPrefix: [UInt8]
    private let securePrefix: [UInt8]

    init(name: String, attributes: CookieAttributes, seal: SealedCookie, seconds: Double) {
        self.name = name
        self.attributes = attributes
        self.seal = seal
        self.seconds = seconds
        plainPrefix = Array((attributes.fullName(name, https: false) + "-").utf8)
        securePrefix = Array((attributes.fullName(name, https: true) + "-").utf8)
    }

    /// Whether a cookie's name is ours: the prefix and 16 hexadecimal digits, or what is behind them.
    func isOurs(_ name: Span<UInt8>) -> Bool {
        for prefix in [plainPrefix, securePrefix] where name.count >= prefix.count + 16 {
            if CookieJar.matches(name, 0..<prefix.count, prefix) { return true }
        }
        return false
    }

    /// The cookie's name for `state`.
    func fullName(_ state: String, https: Bool) throws(CryptoError) -> String {
        let digest = try Digest.sha256.hash(utf8: state)
        return attributes.fullName(name, https: https) + "-" + Hexadecimal.encode(digest[..<8])
    }

    /// `Set-Cookie` values that keep `attempt` and remove the oldest of too many others.
    func lines(
        _ attempt: LoginAttempt,
        https: Bool,
        request: RequestHead,
        at now: Double
    ) throws(SealError) -> [String] {
        let name: String
        do throws(CryptoError) { name = try fullName(attempt.state, https: https) } catch {
            throw .cipher(error)
        }
        let expires = now + seconds
        let text = try seal.seal(attempt.serialized(), name: name, expires: expires)
        let parts = try SealedCookie.split(text, name: name)
        guard parts.count == 1 else { throw .tooLarge }
        let line = attributes.line(name, parts[0].value, https: https, maximumAge: Int(seconds))
        return [line] + surplus(https: https, request: request, at: now)
    }

    /// The attempt that belongs to `state`, if this browser began it (security row S5).
    func attempt(_ state: String, https: Bool, request: RequestHead, at now: Double) -> LoginAttempt? {
        guard let name = try? fullName(state, https: https),
            let octets = open(name, request: request, at: now),
            let attempt = LoginAttempt(serialized: octets),
            equalInConstantTime(Array(attempt.state.utf8), Array(state.utf8)),
            now - attempt.startedAt <= seconds
        else { return nil }
        return attempt
    }

    /// A `Set-Cookie` value that removes the attempt's cookie.
    func removal(_ state: String, https: Bool) throws(CryptoError) -> String {
        attributes.removal(try fullName(state, https: https), https: https)
    }

    private func open(_ name: String, request: RequestHead, at now: Double) -> [UInt8]? {
        guard request.count(of: .cookie) == 1, let field = request.first(.cookie) else { return nil }
        return request.withValue(field) { field in
            let sighting = CookieJar.find(Array(name.utf8), in: field)
            guard sighting.count == 1 else { return nil }
            let value = field.extracting(sighting.value)
            guard SealedCookie.count(in: value) == 1 else { return nil }
            return seal.open(value.extracting(2..<value.count), name: name, at: now)
        }
    }

    /// Removals of what is over the bound, the oldest and the unreadable first.
    private func surplus(https: Bool, request: RequestHead, at now: Double) -> [String] {
        let prefix = https ? securePrefix : plainPrefix
        guard let field = request.first(.cookie) else { return [] }
        let names = request.withValue(field) { CookieJar.names(beginningWith: prefix, in: $0) }
            .filter { $0.utf8.count == prefix.count + 16 && FieldName($0) != nil }
        guard names.count >= Self.maximumAttempts else { return [] }
        let aged = names.prefix(64).map { name in
            (
                name,
                open(name, request: request, at: now).flatMap { LoginAttempt(serialized: $0) }?.startedAt ?? 0
            )
        }
        let extra = names.count - Self.maximumAttempts + 1
        return aged.sorted { $0.1 < $1.1 }.prefix(extra).map { attributes.removal($0.0, https: https) }
    }
}
