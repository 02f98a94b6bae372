// Forms that a page can send again, octet for octet, and those that it cannot.
import Testing

@testable import Access

struct KeptFormTests {
    private static let urlencoded = "application/x-www-form-urlencoded"

    private func form(_ type: String, _ body: String) -> KeptForm? {
        KeptForm(contentType: type, body: Array(body.utf8))
    }

    private func entry(_ name: String, _ value: String?) -> KeptForm.Entry {
        KeptForm.Entry(name: name, value: value)
    }

    @Test func `an encoded form is kept with its order and its repetitions`() {
        let form = form(Self.urlencoded, "a=1&b=x+y%26z&a=2&c=&%C3%BC=%E2%82%AC%0D%0Aline")
        #expect(form?.kind == .urlencoded)
        #expect(
            form?.entries == [
                entry("a", "1"), entry("b", "x y&z"), entry("a", "2"), entry("c", ""),
                entry("ü", "€\r\nline"),
            ]
        )
        #expect(self.form(Self.urlencoded, "")?.entries == [])
        #expect(self.form(Self.urlencoded + "; charset=UTF-8", "a=1") != nil)
    }

    @Test(arguments: [
        "a", "a=1&", "&a=1", "=1", "a=%", "a=%4", "a=%GG", "a=%FF", "a=%00", "a=x%0Ay", "a=x%0Dy", "a=x%0D",
        "_charset_=", "_CHARSET_=x",
    ])
    func `what a form would send otherwise is not kept`(_ body: String) {
        #expect(form(Self.urlencoded, body) == nil)
    }

    @Test(arguments: [
        "application/json", "", "text/html", "application/x-www-form-urlencoded; charset=iso-8859-1",
        "application/octet-stream", "multipart/form-data", "multipart/mixed; boundary=x",
    ])
    func `what no page without script can send is not kept`(_ type: String) {
        #expect(form(type, "a=1") == nil)
    }

    @Test func `at most so many values are kept`() {
        let body = { (count: Int) in (0..<count).map { "a=\($0)" }.joined(separator: "&") }
        #expect(
            form(Self.urlencoded, body(KeptForm.maximumEntries))?.entries.count == KeptForm.maximumEntries
        )
        #expect(form(Self.urlencoded, body(KeptForm.maximumEntries + 1)) == nil)
    }

    @Test func `lines of text are one value that sends the same lines`() {
        #expect(form("text/plain", "a=1\r\nb=2\r\n")?.entries == [entry("a", "1\r\nb=2")])
        #expect(form("text/plain", "")?.entries == [])
        for body in ["a=1", "a\r\n", "=1\r\n", "\r\n", "a\r\nb=1\nc\r\n"] {
            #expect(form("text/plain", body) == nil)
        }
    }

    @Test func `what was kept is what comes back`() throws {
        let kept = try #require(form("multipart/form-data; boundary=x", Multipart.body(Multipart.usual)))
        #expect(KeptForm(serialized: kept.serialized()) == kept)
        #expect(KeptForm(serialized: Array("{}".utf8)) == nil)
    }
}

/// Bodies as browsers write them.
enum Multipart {
    static let usual = [
        "Content-Disposition: form-data; name=\"a\"\r\n\r\none",
        "Content-Disposition: form-data; name=\"q%22%0D%0A\"\r\n\r\n",
        "Content-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--y\r\n",
        "Content-Disposition: form-data; name=\"file\"; filename=\"\"\r\nContent-Type: application/octet-stream\r\n\r\n",
    ]

    static func body(_ parts: [String], boundary: String = "x") -> String {
        parts.map { "--\(boundary)\r\n\($0)\r\n" }.joined() + "--\(boundary)--\r\n"
    }
}

struct MultipartFormTests {
    private func entries(
        _ body: String,
        type: String = "multipart/form-data; boundary=x"
    ) -> [KeptForm.Entry]? {
        MultipartForm.entries(Array(body.utf8), contentType: type)
    }

    @Test func `texts and files that were not chosen are kept`() {
        let found = entries(Multipart.body(Multipart.usual))
        #expect(found?.map(\.name) == ["a", "q\"\r\n", "a", "file"])
        #expect(found?.map(\.value) == ["one", "", "x\r\n--y\r\n", nil])
    }

    @Test(arguments: [
        // A file, a text with a type, another disposition, no name, octets that are no text.
        "Content-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nx",
        "Content-Disposition: form-data; name=\"f\"; filename=\"\"\r\nContent-Type: text/plain\r\n\r\n",
        "Content-Disposition: form-data; name=\"f\"; filename=\"\"\r\n\r\n",
        "Content-Disposition: form-data; name=\"f\"\r\nContent-Type: application/json\r\n\r\n{}",
        "Content-Disposition: attachment; name=\"f\"\r\n\r\nx", "Content-Disposition: form-data\r\n\r\nx",
        "Content-Disposition: form-data; name=\"f\"; size=1\r\n\r\nx", "X: y\r\n\r\nx", "x",
    ])
    func `what a form of texts would not have written is not kept`(_ part: String) {
        #expect(entries(Multipart.body([part])) == nil)
    }

    @Test(arguments: [
        "", "--x", "--x\r\n", "--y\r\n", "--x--\r\nmore",
        "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none",
    ])
    func `a body that is not whole is not kept`(_ body: String) {
        #expect(entries(body) == nil)
    }

    @Test(arguments: [
        ("multipart/form-data; boundary=----WebKitFormBoundaryAbC", "----WebKitFormBoundaryAbC"),
        ("multipart/form-data; boundary=\"a b\"", nil), ("multipart/form-data; boundary=\"q\"", "q"),
        ("multipart/form-data; charset=utf-8; Boundary=z", "z"), ("multipart/form-data; boundary=", nil),
        (
            "multipart/form-data; boundary=\(String(repeating: "b", count: 70))",
            String(repeating: "b", count: 70)
        ),
        ("multipart/form-data; boundary=\(String(repeating: "b", count: 71))", nil),
        ("multipart/form-data", nil),
    ])
    func `the boundary is the one that is written`(type: String, boundary: String?) {
        #expect(MultipartForm.boundary(type) == boundary)
    }
}

struct KeptFormsTests {
    @Test func `a form is kept until its time is over, and under its own name`() {
        let forms = KeptForms(maximumOctets: 100)
        #expect(forms.keep([1, 2], as: "a", until: 10, at: 0))
        #expect(!forms.keep([3], as: "a", until: 10, at: 0))
        #expect(forms.form("a", at: 9.9) == [1, 2])
        #expect(forms.form("b", at: 9.9) == nil)
        #expect(forms.form("a", at: 10) == nil)
    }

    @Test func `what does not fit is not taken, and pushes nothing out`() {
        let forms = KeptForms(maximumOctets: 10)
        #expect(forms.keep([UInt8](repeating: 0, count: 6), as: "a", until: 10, at: 0))
        #expect(!forms.keep([UInt8](repeating: 0, count: 5), as: "b", until: 10, at: 0))
        #expect(forms.keep([UInt8](repeating: 0, count: 4), as: "c", until: 10, at: 0))
        #expect(forms.form("a", at: 1)?.count == 6)
        #expect(forms.keep([UInt8](repeating: 0, count: 10), as: "d", until: 20, at: 11))
    }
}
