// The state of a login: new, unguessable, and with the way on sealed in it.

/// Makes and reads the `state` of authorization requests: `<instance>.<256 random bits>.<where the user was going>`.
///
/// That a `state` is this browser's own says the attempt's cookie alone (security rows A1, S5). What is sealed behind
/// its random part lets nobody in: it is where a page leads whose attempt is over, lost or another browser's, and a
/// place that was checked when the login began.
struct LoginState: Sendable {
    /// Names the instance.
    let id: String
    let seal: SealedCookie

    /// How long the way on can be read, in seconds: a tab may lie open for a day.
    static let seconds = 86_400.0
    /// Longest way on that goes along; of a longer one only the path does, or nothing.
    static let maximumTargetBytes = 256

    /// A state with this random part.
    func text(_ random: String, target: String, at now: Double) -> String {
        let state = "\(id).\(random)"
        let path = target.prefix { $0 != "?" && $0 != "#" }
        let short = [target, String(path)].first { $0.utf8.count <= Self.maximumTargetBytes }
        guard let short, short != "/",
            let sealed = try? seal.seal(Array(short.utf8), name: state, expires: now + Self.seconds)
        else { return state }
        return "\(state).\(sealed)"
    }

    /// Where the login that began with `state` was to end; nil for a state that is none of ours, or says nothing.
    func target(of state: String, at now: Double) -> String? {
        let parts = state.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == id, parts[2].utf8.count <= 1024,
            let octets = seal.open(parts[2].utf8.span, name: "\(parts[0]).\(parts[1])", at: now)
        else { return nil }
        return String(validating: octets, as: UTF8.self)
    }
}
