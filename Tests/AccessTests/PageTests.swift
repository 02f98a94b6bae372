// Our own pages.
import Cryptography
import Gateway
import Proxy
import Testing

@testable import Access

struct PageTests {
    // S2
    @Test func `whatever comes from outside is escaped`() {
        let hostile = "<script>alert('x')</script>\"&\u{1}"
        let page = Page(
            title: hostile,
            paragraphs: [hostile],
            button: Page.Button(action: "/x?\(hostile)", label: hostile, hidden: [(hostile, hostile)]),
            link: Page.Link(target: "/\(hostile)", label: hostile)
        )
        let escaped = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;"
        #expect(!page.html.contains("<script"))
        #expect(!page.html.contains("\u{1}"))
        #expect(page.html.contains("<h1>\(escaped)</h1>"))
        #expect(page.html.contains("value=\"\(escaped)\""))
        #expect(page.html.contains("href=\"/\(escaped)\""))
    }

    // S2, A10
    @Test func `every page forbids scripts, frames, caches and referrers`() {
        let answer = Page(title: "t").answer(status: 200)
        #expect(answer.field("content-security-policy")?.hasPrefix("default-src 'none'; ") == true)
        #expect(answer.field("content-security-policy")?.contains("frame-ancestors 'none'") == true)
        #expect(answer.field("referrer-policy") == "no-referrer")
        #expect(answer.field("cache-control") == "no-store")
        #expect(answer.field("x-content-type-options") == "nosniff")
        #expect(!String(decoding: answer.body, as: UTF8.self).contains("<script"))
    }

    @Test func `the style is the one that its digest allows`() throws {
        #expect(
            ClaimText.base64(try Digest.sha256.hash(utf8: PageTheme.standardStyle))
                == PageTheme.standardDigest
        )
    }
}
