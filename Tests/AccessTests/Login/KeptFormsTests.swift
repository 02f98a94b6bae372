// Bodies that wait for a login: what is kept of them, where, how long, and how often it is handed out.
import Gateway
import Proxy
import Testing

@testable import Access

struct KeptBodyTests {
    private func body(_ fields: [(String, String)]) throws -> KeptBody? {
        let request = try WrittenRequest(
            "POST https://app.example/x",
            fields: fields.map { (name: $0.0, value: $0.1) }
        )
        return KeptBody(of: request.head, [0, 255, 13, 10])
    }

    @Test(arguments: [
        "application/json", "multipart/form-data; boundary=----WebKitFormBoundaryAbC", "text/plain",
        "application/x-www-form-urlencoded; charset=iso-8859-1", "application/octet-stream",
    ])
    func `any type is kept as it is written, with octets that are no text`(_ type: String) throws {
        #expect(try body([("content-type", type)]) == KeptBody(contentType: type, octets: [0, 255, 13, 10]))
    }

    @Test func `a body without a type has none afterwards`() throws {
        #expect(try body([])?.contentType == nil)
    }

    @Test func `what type and octets do not tell is not kept`() throws {
        #expect(try body([("content-type", "a/b"), ("content-encoding", "gzip")]) == nil)
        #expect(try body([("content-type", "a/b"), ("content-type", "c/d")]) == nil)
        #expect(try body([("content-type", "a/b; c=\u{e9}")]) == nil)
        let long = "a/b; boundary=" + String(repeating: "x", count: 512)
        #expect(try body([("content-type", long)]) == nil)
        #expect(try body([("content-type", String(long.prefix(512)))]) != nil)
    }
}

struct KeptFormsTests {
    private func body(_ count: Int) -> KeptBody {
        KeptBody(contentType: nil, octets: [UInt8](repeating: 7, count: count))
    }

    private func form(_ name: String, until: Double = 10, body: KeptBody? = nil) -> WaitingForm {
        WaitingForm(name: name, origin: "https://app.example", target: "/", until: until, body: body)
    }

    @Test func `a body is kept until its time is over, and under its own name`() {
        let forms = KeptForms(maximumOctets: 100)
        #expect(forms.keep(body(2), as: "a", until: 10, at: 0))
        #expect(!forms.keep(body(1), as: "a", until: 10, at: 0))
        #expect(forms.has(form("a"), at: 9.9) && !forms.has(form("b"), at: 9.9))
        #expect(!forms.has(form("a"), at: 10))
        #expect(forms.take(form("a"), at: 10) == nil)
    }

    @Test func `a body is taken once, and makes room`() {
        let forms = KeptForms(maximumOctets: 10)
        #expect(forms.keep(body(10), as: "a", until: 10, at: 0))
        #expect(forms.take(form("a"), at: 1) == body(10))
        #expect(forms.take(form("a"), at: 1) == nil && !forms.has(form("a"), at: 1))
        #expect(forms.keep(body(10), as: "b", until: 10, at: 1))
    }

    @Test func `a body that the cookie holds is taken once, too`() {
        let forms = KeptForms()
        let short = form("a", body: body(3))
        #expect(forms.has(short, at: 1))
        #expect(forms.take(short, at: 1) == body(3))
        #expect(forms.take(short, at: 2) == nil && !forms.has(short, at: 2))
        #expect(forms.take(form("b", body: body(3)), at: 10) == nil)
    }

    @Test func `what was not sent is given back, and can be taken again`() {
        let forms = KeptForms(maximumOctets: 10)
        for waiting in [form("a"), form("b", body: body(4))] {
            if waiting.body == nil { #expect(forms.keep(body(4), as: "a", until: 10, at: 0)) }
            #expect(forms.take(waiting, at: 1) == body(4))
            forms.giveBack(body(4), of: waiting)
            forms.giveBack(body(4), of: waiting)
            #expect(forms.has(waiting, at: 1))
            #expect(forms.take(waiting, at: 1) == body(4))
            #expect(forms.take(waiting, at: 1) == nil)
        }
    }

    @Test func `what does not fit is not taken in, and pushes nothing out`() {
        let forms = KeptForms(maximumOctets: 10)
        #expect(forms.keep(body(6), as: "a", until: 10, at: 0))
        #expect(!forms.keep(body(5), as: "b", until: 10, at: 0))
        #expect(forms.keep(body(4), as: "c", until: 10, at: 0))
        #expect(forms.has(form("a"), at: 1))
        #expect(forms.keep(body(10), as: "d", until: 20, at: 11))
        let typed = KeptBody(contentType: "a/b", octets: [])
        #expect(!forms.keep(typed, as: "e", until: 20, at: 11))
    }

    @Test func `names of forms that were sent are bounded, and then none is sent`() {
        let forms = KeptForms(maximumSpent: 2)
        let waiting = ["a", "b", "c"].map { form($0, body: body(1)) }
        #expect(waiting.map { forms.take($0, at: 1) != nil } == [true, true, false])
        #expect(forms.take(form("d", until: 20, body: body(1)), at: 10) != nil)
    }
}
