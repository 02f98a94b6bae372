// What a browser keeps of a form that it sent without a session.
import Cryptography
import JOSE
import JSON
import Proxy

/// A form that waits: where it was going, and its body where that is short.
struct WaitingForm: Sendable, Equatable {
    /// 128 random bits; names the form here and in the memory.
    var name: String
    /// The origin that the browser asked.
    var origin: String
    /// Path and query that it was sent to there.
    var target: String
    /// When it is kept no longer, in seconds since 1970.
    var until: Double
    /// What it holds, where the cookie has it.
    var body: KeptBody?
}

/// The cookies of forms that wait: sealed, one for each form, bound to the browser that sent it; and the small form
/// that stands for one on the page that sends it again.
struct FormCookie: Sendable {
    let name: String
    let attributes: CookieAttributes
    private let seal: SealedCookie
    /// Seals the names that pages have; of the keys alone, so that every instance knows what is ours.
    private let pageSeal: SealedCookie

    /// Most forms that one browser has waiting: each has a cookie, and all go along with every request.
    static let maximumForms = 3
    /// Longest body that goes into the cookie itself, in octets.
    static let maximumInline = 1200
    /// The one field that the page's form has.
    static let field = "gatehouse-kept"
    /// How long that form is as it is sent: no other length is ever looked into.
    static let sentOctets = 113
    /// Seconds for which the name on a page is known as ours: the form may be gone, but is told so.
    private static let pageSeconds = 10.0 * 365 * 86_400

    init(_ cookies: LoginCookies, id: String) {
        name = cookies.name
        var attributes = cookies.attributes
        // Only the way back of a login has to cross sites.
        attributes.sameSite = "Lax"
        self.attributes = attributes
        seal = SealedCookie(purpose: "form \(id)", ring: cookies.seal.ring)
        pageSeal = SealedCookie(purpose: "kept body", ring: cookies.seal.ring)
    }

    private func prefix(https: Bool) -> String { attributes.fullName(name, https: https) + "-form-" }

    private func fullName(_ form: String, https: Bool) throws(CryptoError) -> String {
        prefix(https: https) + Hexadecimal.encode(try Digest.sha256.hash(utf8: form)[..<8])
    }

    /// How many forms this browser has waiting.
    func count(in request: RequestHead, https: Bool) -> Int {
        guard let field = request.first(.cookie) else { return 0 }
        return request.withValue(field) {
            CookieJar.names(beginningWith: Array(prefix(https: https).utf8), in: $0).count
        }
    }

    /// The `Set-Cookie` value that keeps a form until its time is over.
    func line(_ waiting: WaitingForm, https: Bool, at now: Double) throws(SealError) -> String {
        let name: String
        do throws(CryptoError) { name = try fullName(waiting.name, https: https) } catch {
            throw .cipher(error)
        }
        var members: [String: JSONValue] = [
            "n": .string(waiting.name), "o": .string(waiting.origin), "t": .string(waiting.target),
            "u": .number(waiting.until),
        ]
        if let body = waiting.body {
            members["b"] = .string(Base64URL.encode(body.octets))
            members["c"] = body.contentType.map { .string($0) }
        }
        let text = try seal.seal(
            JSONValue.object(members).serialized(),
            name: name,
            expires: waiting.until
        )
        let parts = try SealedCookie.split(text, name: name)
        guard parts.count == 1 else { throw .tooLarge }
        let seconds = max(1, Int(waiting.until - now))
        return attributes.line(name, parts[0].value, https: https, maximumAge: seconds)
    }

    /// The `Set-Cookie` value that takes a form's cookie away.
    func removal(_ waiting: WaitingForm, https: Bool) -> String? {
        (try? fullName(waiting.name, https: https)).map { attributes.removal($0, https: https) }
    }

    /// The form of that name, if this browser sent it.
    func waiting(_ form: String, https: Bool, request: RequestHead, at now: Double) -> WaitingForm? {
        guard let name = try? fullName(form, https: https), request.count(of: .cookie) == 1,
            let field = request.first(.cookie)
        else { return nil }
        let octets = request.withValue(field) { field -> [UInt8]? in
            let sighting = CookieJar.find(Array(name.utf8), in: field)
            guard sighting.count == 1 else { return nil }
            let value = field.extracting(sighting.value)
            guard SealedCookie.count(in: value) == 1 else { return nil }
            return seal.open(value.extracting(2..<value.count), name: name, at: now)
        }
        guard let octets, let json = try? JSONValue(parsing: octets), let kept = json["n"]?.string,
            kept == form,
            let origin = json["o"]?.string, let target = json["t"]?.string, let until = json["u"]?.number
        else { return nil }
        let body = json["b"]?.string.flatMap { Base64URL.decode($0) }.map {
            KeptBody(contentType: json["c"]?.string, octets: $0)
        }
        return WaitingForm(name: kept, origin: origin, target: target, until: until, body: body)
    }

    // MARK: On a page

    /// The value of `field` on the page that sends a form again.
    func pageValue(_ form: String, at now: Double) throws(SealError) -> String {
        guard let octets = Base64URL.decode(form) else { throw .tooLarge }
        return try pageSeal.seal(octets, name: Self.field, expires: now + Self.pageSeconds)
    }

    /// The form that a body stands for; nil for every body that is not one of our pages'.
    ///
    /// That it is ours says the seal: an application's own field of that name is nobody's business here.
    func form(sent body: [UInt8], at now: Double) -> String? {
        guard Self.isShaped(body) else { return nil }
        let value = body.span.extracting((Self.field.utf8.count + 1)..<body.count)
        return pageSeal.open(value, name: Self.field, at: now).map { Base64URL.encode($0) }
    }

    /// Whether a body looks like that of a page of ours, whatever key sealed it.
    static func isShaped(_ body: [UInt8]) -> Bool {
        body.count == sentOctets && body.starts(with: (field + "=").utf8)
            && Base64URL.decode(body.span.extracting((field.utf8.count + 1)..<body.count)) != nil
    }
}
