// What our pages look like, and what an operator may make of them.

/// The look of our pages: made once, and allowed by its digest.
package struct PageTheme: Sendable {
    /// The whole of the style.
    package let style: String
    /// What stands above the heading, as HTML of ours.
    let brand: String
    /// The `Content-Security-Policy` of every page: nothing runs, loads or frames (security rows S2, V18).
    let policy: String

    /// Our own look.
    package static let plain = PageTheme(style: standardStyle, digest: standardDigest)

    /// A look.
    ///
    /// - Parameters:
    ///   - name: shown above the heading; empty for none.
    ///   - logo: a picture as a `data:` URL; nil for none.
    ///   - style: CSS without `<`; `digest` is its SHA-256 in base64.
    package init(name: String = "", logo: String? = nil, style: String, digest: String) {
        precondition(!style.contains("<"), "a style that ends its element would be read as HTML")
        self.style = style
        var brand = ""
        if let logo { brand += "<img src=\"\(Page.escaped(logo))\" alt=\"\">" }
        if !name.isEmpty { brand += "<span>\(Page.escaped(name))</span>" }
        self.brand = brand.isEmpty ? "" : "<p class=\"brand\">\(brand)</p>\n"
        let pictures = logo == nil ? "" : "img-src data:; "
        self.policy =
            "default-src 'none'; \(pictures)style-src 'sha256-\(digest)'; frame-ancestors 'none'; base-uri 'none'"
    }

    /// The style without an operator's own; its properties are what most will want to change.
    package static let standardStyle =
        ":root{color-scheme:light dark;--paper:#fff;--ink:#1b1b1b;--soft:#595959;--accent:#0b57d0;--on-accent:#fff}"
        + "@media(prefers-color-scheme:dark){:root{--paper:#16181c;--ink:#e6e6e6;--soft:#a9adb5;--accent:#8ab4f8;"
        + "--on-accent:#10141a}}"
        + "*{box-sizing:border-box}"
        + "body{font:1.1rem/1.5 system-ui,sans-serif;margin:0;background:var(--paper);color:var(--ink)}"
        + "main{max-width:34rem;margin:12vh auto;padding:0 1rem;overflow-wrap:anywhere}"
        + "h1{font-size:1.6rem;line-height:1.25;margin:0 0 1rem}"
        + ".brand{display:flex;align-items:center;gap:.6rem;font-weight:600;margin:0 0 2rem}"
        + ".brand img{max-height:2.5rem;max-width:10rem}"
        + "a{color:var(--accent)}"
        + "button,a.way{display:inline-block;font:inherit;padding:.6rem 1.4rem;border:2px solid var(--accent);"
        + "border-radius:.3rem;background:var(--accent);color:var(--on-accent);text-decoration:none;cursor:pointer}"
        + "button:focus-visible,a:focus-visible{outline:3px solid var(--ink);outline-offset:3px}"
        + ".facts{color:var(--soft);font-size:.9rem;margin-top:2rem}"

    /// SHA-256 of `standardStyle`, base64; a test compares them.
    package static let standardDigest = "9N0sW9K6XLelnBMHu1ZGSdb0y5UqgwPRrR/JeuT8B/Y="
}
