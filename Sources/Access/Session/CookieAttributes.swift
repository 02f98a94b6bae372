// What stands behind a cookie's value in Set-Cookie.

/// How a cookie is bound to host, path and scheme (RFC 6265bis §4.1).
package struct CookieAttributes: Sendable, Equatable {
    /// `Domain`; nil binds the cookie to the host.
    package var domain: String?
    /// `Path`.
    package var path = "/"
    /// `SameSite`.
    package var sameSite = "Lax"
    /// `Secure` as the user wrote it; nil is what the request's scheme says.
    package var secure: Bool?

    /// Whether a request by this scheme gets a `Secure` cookie.
    func isSecure(https: Bool) -> Bool { secure ?? https }

    /// The cookie's full name: `__Host-` where a browser accepts that (K1).
    func fullName(_ name: String, https: Bool) -> String {
        guard isSecure(https: https), domain == nil, path == "/", !name.hasPrefix("__") else { return name }
        return "__Host-" + name
    }

    /// A `Set-Cookie` value.
    ///
    /// - Parameters:
    ///   - maximumAge: seconds; nil for a cookie that ends with the browser.
    ///   - isReadable: whether scripts may read it.
    func line(
        _ fullName: String,
        _ value: String,
        https: Bool,
        maximumAge: Int? = nil,
        isReadable: Bool = false
    ) -> String {
        var line = "\(fullName)=\(value); Path=\(path)"
        if let domain { line += "; Domain=\(domain)" }
        if let maximumAge { line += "; Max-Age=\(maximumAge)" }
        if !isReadable { line += "; HttpOnly" }
        line += "; SameSite=\(sameSite)"
        if isSecure(https: https) { line += "; Secure" }
        return line
    }

    /// A `Set-Cookie` value that removes the cookie: same path, domain and prefix as it was set with (S4).
    func removal(_ fullName: String, https: Bool) -> String {
        line(fullName, "", https: https, maximumAge: 0)
    }
}
