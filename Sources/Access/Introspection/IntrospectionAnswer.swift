// What a service is told of a token: JSON, or a token that we sign.
import Gateway
import JSON
import Proxy

/// The answers of the introspection paths (RFC 7662 §2.2).
enum IntrospectionAnswer {
    /// The answer that is signed (RFC 9701 §4).
    static let signedType = "application/token-introspection+jwt"

    /// The members about one token: its claims where it is good, else nothing but that it is not.
    static func members(_ testimony: Testimony) -> JSONValue {
        switch testimony {
        case .active(let proven, _, _):
            var members: [String: JSONValue] = [:]
            // The first source decides, as for a route.
            for source in proven.sources.sources.reversed() {
                members.merge(source.claim(at: [])?.object ?? [:]) { _, new in new }
            }
            members["active"] = true
            return .object(members)
        case .inactive: return ["active": false]
        case .unavailable: return ["active": false, "error": "temporarily_unavailable"]
        }
    }

    /// Whether the client asks for a signed answer: the type is named, and not with the weight 0 (RFC 9110 §12.5.1).
    static func isSignedWanted(_ request: RequestHead) -> Bool {
        request.fields.strings(of: .accept).contains { value in
            value.split(separator: ",").contains { range in
                let parts = range.lowercased().split(separator: ";").map {
                    $0.filter { $0 != " " && $0 != "\t" }
                }
                guard parts.first == signedType else { return false }
                return !parts.dropFirst().contains {
                    $0.hasPrefix("q=") && $0.dropFirst(2).allSatisfy { $0 == "0" || $0 == "." }
                }
            }
        }
    }

    /// An answer that nobody may keep.
    static func answer(_ body: [UInt8], type: String = "application/json") -> Answer {
        Answer(
            status: 200,
            fields: [
                ("Content-Type", type), ("Cache-Control", "no-store"), ("Pragma", "no-cache"),
                ("X-Content-Type-Options", "nosniff"),
            ],
            body: body
        )
    }
}
