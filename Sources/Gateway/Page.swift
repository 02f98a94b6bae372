// Our own pages: small, without script, escaped.
package import Proxy

/// A page of ours, for people.
///
/// No script, no foreign resource, no frame; whatever comes from outside is escaped (security row S2). There is
/// no `form-action`: browsers apply it to the redirect that follows, and a sign-out is redirected to the issuer.
package struct Page: Sendable {
    /// What the window is called, and the heading.
    package var title: String
    /// Paragraphs, as plain text.
    package var paragraphs: [String]
    /// One button that posts to a path of ours.
    package var button: Button?
    /// A way on, as a link.
    package var link: Link?

    /// One button in a form of its own.
    package struct Button: Sendable {
        /// Where the form is sent: a path of ours.
        package var action: String
        /// What the button says.
        package var label: String
        /// Hidden values of the form.
        package var hidden: [(name: String, value: String)]

        /// Describes a button.
        package init(action: String, label: String, hidden: [(name: String, value: String)] = []) {
            self.action = action
            self.label = label
            self.hidden = hidden
        }
    }

    /// A link to a place that was checked before.
    package struct Link: Sendable {
        /// Where it leads.
        package var target: String
        /// What it says.
        package var label: String

        /// Describes a link.
        package init(target: String, label: String) {
            self.target = target
            self.label = label
        }
    }

    /// Describes a page.
    package init(title: String, paragraphs: [String] = [], button: Button? = nil, link: Link? = nil) {
        self.title = title
        self.paragraphs = paragraphs
        self.button = button
        self.link = link
    }

    /// Fields that every page of ours carries.
    package static let fields: [(String, String)] = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Cache-Control", "no-store"),
        (
            "Content-Security-Policy",
            "default-src 'none'; style-src 'sha256-\(styleDigest)'; frame-ancestors 'none'; base-uri 'none'"
        ),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
    ]

    /// The page as an answer.
    package func answer(status: Int, more: [(String, String)] = []) -> Answer {
        Answer(status: status, fields: Self.fields + more, body: Array(html.utf8))
    }

    /// The page's text.
    package var html: String {
        var body = "<h1>\(Self.escaped(title))</h1>\n"
        for paragraph in paragraphs { body += "<p>\(Self.escaped(paragraph))</p>\n" }
        if let button {
            body += "<form method=\"post\" action=\"\(Self.escaped(button.action))\">\n"
            for (name, value) in button.hidden {
                body +=
                    "<input type=\"hidden\" name=\"\(Self.escaped(name))\" value=\"\(Self.escaped(value))\">\n"
            }
            body += "<button type=\"submit\">\(Self.escaped(button.label))</button>\n</form>\n"
        }
        if let link {
            body += "<p><a href=\"\(Self.escaped(link.target))\">\(Self.escaped(link.label))</a></p>\n"
        }
        return """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(Self.escaped(title))</title>
            <style>\(Self.style)</style>
            </head>
            <body>
            <main>
            \(body)</main>
            </body>
            </html>

            """
    }

    /// Text with the five characters of HTML replaced, and controls dropped.
    package static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default:
                if scalar.value >= 0x20, scalar.value != 0x7F { result.unicodeScalars.append(scalar) }
            }
        }
        return result
    }

    /// The only style, allowed by its digest.
    package static let style =
        "body{font:1.1rem/1.5 system-ui,sans-serif;margin:0;background:#fff;color:#1b1b1b}"
        + "main{max-width:34rem;margin:12vh auto;padding:0 1rem}"
        + "button{font:inherit;padding:.6rem 1.4rem;border:2px solid #1b1b1b;border-radius:.3rem;background:#1b1b1b;color:#fff;cursor:pointer}"
        + "button:focus-visible,a:focus-visible{outline:3px solid #06c;outline-offset:3px}"

    /// SHA-256 of `style`, base64; a test compares them.
    package static let styleDigest = "nD7xyJsWJencmYw7yaxx0fPNDOc4NoFbPtsHY5coIMI="
}
