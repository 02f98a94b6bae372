// The openid-connect plugin: a bearer token in a form.
import Gateway
import Proxy

/// A form that was read before, noted on its passage: a body can be read once.
final class ReadForm {
    private let read: BodyRead

    init(_ read: BodyRead) { self.read = read }

    static var place: ObjectIdentifier { ObjectIdentifier(ReadForm.self) }

    static func noted(_ passage: Passage) -> BodyRead? { (passage.note(at: place) as? ReadForm)?.read }
}

extension OpenIDConnect {
    /// The longest form that is searched for a token, in octets.
    private static let maximumFormBytes = 64 << 10

    /// Reads the form that a request has, where a token may stand in one (RFC 6750 §2.2); nil for any other request.
    ///
    /// The upstream gets the form as it came, with the token in it: that is where the client put it.
    func formToken(_ passage: Passage) throws(Refusal) -> Step? {
        guard settings.takesTokens, settings.tokens.takesBody, passage.door != .callout,
            Self.isForm(passage.request)
        else { return nil }
        if let read = ReadForm.noted(passage) { return try token(in: read, passage) }
        return .read(
            Reading(upTo: Self.maximumFormBytes, keepsBody: true) { [self] passage, read throws(Refusal) in
                try orAnonymous(passage) { () throws(Refusal) in
                    if let step = try token(in: read, passage) { return step }
                    return try nothingShown(passage, read: read)
                }
            }
        )
    }

    static func isForm(_ request: RequestHead) -> Bool {
        request.method != .get && request.method != .head && request.framing != .none
            && saysForm(request)
    }

    /// Whether a request's type is that of a form (HTML §4.10.21.8).
    static func saysForm(_ request: RequestHead) -> Bool {
        guard request.count(of: .contentType) == 1, let type = request.string(of: .contentType) else {
            return false
        }
        let end = type.firstIndex(of: ";") ?? type.endIndex
        return type[..<end].filter { $0 != " " && $0 != "\t" }.lowercased()
            == "application/x-www-form-urlencoded"
    }

    private func token(in read: BodyRead, _ passage: Passage) throws(Refusal) -> Step? {
        guard case .whole(let octets) = read, let form = QueryArguments(octets) else { return nil }
        guard !form.repeats(["access_token"]) else { throw repeatedCredential() }
        guard let text = form.single("access_token"), !text.isEmpty else { return nil }
        return try prove(Array(text.utf8), passage)
    }
}
