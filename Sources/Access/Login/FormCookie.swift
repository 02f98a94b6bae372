// What a browser keeps of a form that it sent without a session.
import Cryptography
import JOSE
import JSON
import Proxy

/// A form that waits: where it was going, and its values where they are short.
struct WaitingForm: Sendable, Equatable {
    /// 128 random bits; names the form here and in the memory.
    var name: String
    /// Path and query that it was sent to, on the host that the browser asked.
    var target: String
    /// Its values, where the cookie holds them.
    var form: KeptForm?
}

/// The cookies of forms that wait: sealed, one for each form, bound to the browser that sent it.
struct FormCookie: Sendable {
    let name: String
    let attributes: CookieAttributes
    let seal: SealedCookie

    /// Most forms that one browser has waiting: each has a cookie, and all go along with every request.
    static let maximumForms = 3
    /// Longest form that goes into the cookie itself, in octets.
    static let maximumInline = 1200

    init(_ cookies: LoginCookies, id: String) {
        name = cookies.name
        var attributes = cookies.attributes
        // Only the way back of a login has to cross sites.
        attributes.sameSite = "Lax"
        self.attributes = attributes
        seal = SealedCookie(purpose: "form \(id)", ring: cookies.seal.ring)
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

    /// The `Set-Cookie` value that keeps a form for `seconds`.
    func line(
        _ waiting: WaitingForm,
        https: Bool,
        seconds: Double,
        at now: Double
    ) throws(SealError) -> String {
        let name: String
        do throws(CryptoError) { name = try fullName(waiting.name, https: https) } catch {
            throw .cipher(error)
        }
        var members: [String: JSONValue] = ["n": .string(waiting.name), "t": .string(waiting.target)]
        if let form = waiting.form { members["f"] = .string(Base64URL.encode(form.serialized())) }
        let text = try seal.seal(JSONValue.object(members).serialized(), name: name, expires: now + seconds)
        let parts = try SealedCookie.split(text, name: name)
        guard parts.count == 1 else { throw .tooLarge }
        return attributes.line(name, parts[0].value, https: https, maximumAge: Int(seconds))
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
            let target = json["t"]?.string
        else { return nil }
        let inline = json["f"]?.string.flatMap { Base64URL.decode($0) }.flatMap { KeptForm(serialized: $0) }
        return WaitingForm(name: kept, target: target, form: inline)
    }
}
