// How strong and how recent a user's authentication has to be (RFC 9470).
import Gateway
import JSON

/// What a route asks of the authentication that a credential tells of.
struct StepUpChoice: Sendable, Equatable {
    /// Authentication contexts, of which `acr` must be one; empty asks for none.
    var contexts: [String]
    /// Seconds since `auth_time`, at most; nil asks for nothing.
    var maximumAge: Int?

    /// Reads the settings; nil where nothing is asked.
    init?(_ check: inout SettingsCheck) {
        let settings = check.settings
        contexts = settings.strings("acr_values") ?? []
        maximumAge = nil
        if settings.wrote("acr_values"), contexts.isEmpty {
            check.fail("acr_values", "must not be empty; leave it out instead")
        }
        let isWritable = contexts.allSatisfy { context in
            !context.isEmpty
                && context.utf8.allSatisfy {
                    $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != 0x5C
                }
        }
        if !isWritable {
            check.fail("acr_values", "expected visible ASCII without spaces, quotes and backslashes")
        }
        if let seconds = settings.number("max_age") {
            guard let whole = Int(exactly: seconds), (0...315_360_000).contains(whole) else {
                check.fail("max_age", "expected whole seconds, not negative")
                return
            }
            maximumAge = whole
        }
        for name in settings.strings("authorization_query_args_names") ?? []
        where name == "acr_values" || name == "max_age" {
            check.fail("authorization_query_args_names", "write '\(name)' as a field of its own")
        }
        guard !contexts.isEmpty || maximumAge != nil else { return nil }
    }

    /// The parameters of a challenge (RFC 9470 §3).
    var parameters: [(name: String, value: String)] {
        var parameters: [(name: String, value: String)] = []
        if !contexts.isEmpty { parameters.append(("acr_values", contexts.joined(separator: " "))) }
        if let maximumAge { parameters.append(("max_age", String(maximumAge))) }
        return parameters
    }
}

/// What a credential tells of its user's authentication.
struct Authentication: Sendable, Equatable {
    /// Whether `acr` is one of those that are asked for.
    let isOfContext: Bool
    /// `auth_time`, in seconds since 1970.
    let time: Double?

    /// Reads the claims that `choice` asks about.
    init(_ claims: ClaimSources, _ choice: StepUpChoice) {
        let context = claims.text(at: ["acr"])
        isOfContext =
            choice.contexts.isEmpty
            || choice.contexts.contains { wanted in context?.isIdentical(toUTF8Of: wanted) ?? false }
        time = claims.claim(at: ["auth_time"])?.value.number
    }

    /// Why the authentication is not enough at this moment; nil where it is.
    func refusal(_ choice: StepUpChoice, leeway: Double, at now: Double) -> (reason: String, detail: String)?
    {
        guard isOfContext else {
            return ("wrong-authentication-context", "acr is none of acr_values")
        }
        guard let age = choice.maximumAge else { return nil }
        guard let time else { return ("authentication-too-old", "there is no auth_time to hold to max_age") }
        guard now - time <= Double(age) + leeway else {
            return ("authentication-too-old", "auth_time is longer ago than max_age allows")
        }
        return nil
    }
}
