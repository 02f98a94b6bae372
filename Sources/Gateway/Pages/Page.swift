// Our own pages: small, without script, escaped.
package import Proxy

/// A page of ours, for people.
///
/// No script, no foreign resource, no frame; whatever comes from outside is escaped (security row S2). There is
/// no `form-action`: browsers apply it to the redirect that follows, and a sign-out is redirected to the issuer.
/// Its texts are English and are looked up in `PageText`, or are shown as they are.
package struct Page: Sendable {
    /// What the window is called, and the heading.
    package var title: String
    /// Paragraphs, as plain text.
    package var paragraphs: [String]
    /// One button that posts to a path of ours.
    package var button: Button?
    /// Ways on; the first looks like a button where there is none.
    package var links: [Link]
    /// Whether the links are equal ways, of which one is chosen.
    package var isChoice = false
    /// Where the browser goes on by itself, as from this page; checked before.
    package var onward: String?
    /// What whoever is asked for help wants to know, in small print.
    package var facts: String?
    /// What the policy on referrers is; a form whose target looks at `Origin` needs more than none.
    package var referrerPolicy = "no-referrer"

    /// One button in a form of its own.
    package struct Button: Sendable {
        /// Where the form is sent: a path of ours, or an address on the page's own origin.
        package var action: String
        /// What the button says.
        package var label: String
        /// What the form holds besides the button.
        package var hidden: [(name: String, value: String)]

        /// Describes a button.
        package init(action: String, label: String, hidden: [(name: String, value: String)] = []) {
            self.action = action
            self.label = label
            self.hidden = hidden
        }
    }

    /// A link to a place that was checked before.
    package struct Link: Sendable, Equatable {
        /// Where it leads.
        package var target: String
        /// What it says.
        package var label: String
        /// Whether it opens beside this page.
        package var isBeside: Bool

        /// Describes a link.
        package init(target: String, label: String, isBeside: Bool = false) {
            self.target = target
            self.label = label
            self.isBeside = isBeside
        }
    }

    /// Describes a page.
    package init(title: String, paragraphs: [String] = [], button: Button? = nil, link: Link? = nil) {
        self.init(title: title, paragraphs: paragraphs, button: button, links: [link].compactMap { $0 })
    }

    /// Describes a page with several ways on.
    package init(title: String, paragraphs: [String] = [], button: Button? = nil, links: [Link]) {
        self.title = title
        self.paragraphs = paragraphs
        self.button = button
        self.links = links
    }

    // MARK: The answer

    /// The page as an answer in English, with our own look.
    package func answer(status: Int, more: [(String, String)] = []) -> Answer {
        self.answer(status: status, in: .english, .plain, more: more)
    }

    /// The page as an answer in the language of whoever asked, with the look that the operator gave it.
    package func answer(status: Int, to passage: Passage, more: [(String, String)] = []) -> Answer {
        self.answer(status: status, in: passage.language, passage.worker.theme, more: more)
    }

    /// The page as an answer in English, with a look.
    package func answer(status: Int, look: PageTheme) -> Answer {
        self.answer(status: status, in: .english, look)
    }

    func answer(
        status: Int,
        in language: PageLanguage,
        _ theme: PageTheme,
        more: [(String, String)] = []
    ) -> Answer {
        let fields = [
            ("Content-Type", "text/html; charset=utf-8"), ("Content-Language", language.rawValue),
            ("Cache-Control", "no-store"), ("Content-Security-Policy", theme.policy),
            ("Referrer-Policy", self.referrerPolicy), ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
        ]
        // A page that leads on keeps the window that opened it, which may wait for the login's end.
        let opener = self.onward == nil ? [("Cross-Origin-Opener-Policy", "same-origin")] : []
        return Answer(
            status: status,
            fields: fields + opener + more,
            body: Array(self.html(language, theme).utf8)
        )
    }

    // MARK: The text

    /// The page's text in English, with our own look.
    package var html: String { self.html(.english, .plain) }

    func html(_ language: PageLanguage, _ theme: PageTheme) -> String {
        let text = { (english: String) in Self.escaped(language.text(english)) }
        let onward = self.onward.map {
            "<meta http-equiv=\"refresh\" content=\"0;url=\(Self.escaped($0))\">\n"
        }
        return """
            <!doctype html>
            <html lang="\(language.rawValue)">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            \(onward ?? "")\
            <title>\(text(self.title))</title>
            <style>\(theme.style)</style>
            </head>
            <body>
            <main>
            \(theme.brand)<h1>\(text(self.title))</h1>
            \(self.content(text))</main>
            </body>
            </html>

            """
    }

    private func content(_ text: (String) -> String) -> String {
        var body = ""
        for paragraph in self.paragraphs { body += "<p>\(text(paragraph))</p>\n" }
        if let button { body += self.form(button, text) }
        for (index, link) in self.links.enumerated() {
            let isWay = self.isChoice || (index == 0 && self.button == nil)
            let look = isWay ? " class=\"way\"" : ""
            let place = link.isBeside ? " target=\"_blank\" rel=\"noopener\"" : ""
            body += "<p><a\(look) href=\"\(Self.escaped(link.target))\"\(place)>\(text(link.label))</a></p>\n"
        }
        if let facts { body += "<p class=\"facts\">\(text(facts))</p>\n" }
        return body
    }

    private func form(_ button: Button, _ text: (String) -> String) -> String {
        var form = "<form method=\"post\" action=\"\(Self.escaped(button.action))\">\n"
        for (name, value) in button.hidden {
            form +=
                "<input type=\"hidden\" name=\"\(Self.escaped(name))\" value=\"\(Self.escaped(value))\">\n"
        }
        return form + "<button type=\"submit\">\(text(button.label))</button>\n</form>\n"
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
            default: if scalar.value >= 0x20, scalar.value != 0x7F { result.unicodeScalars.append(scalar) }
            }
        }
        return result
    }
}
