// Sealed cookies: what opens, and everything that must not.
import Cryptography
import Testing

@testable import Access

struct SealedCookieTests {
    let ring: SealingKeyRing
    let seal: SealedCookie
    let name = "__Host-session-0a1b2c3d"

    init() throws {
        ring = try SealingKeyRing(octets: [[UInt8](repeating: 7, count: 32)])
        seal = SealedCookie(purpose: "session", ring: ring)
    }

    private func open(_ text: String, name: String? = nil, at now: Double = 100) -> [UInt8]? {
        seal.open(text.utf8.span, name: name ?? self.name, at: now)
    }

    // S3, K7
    @Test func `what was sealed opens until it expires, to the second`() throws {
        let text = try seal.seal([1, 2, 3], name: name, expires: 200)
        #expect(open(text, at: 199.999) == [1, 2, 3])
        #expect(open(text, at: 200) == nil)
    }

    // S3
    @Test func `any altered bit opens nothing`() throws {
        let text = Array(try seal.seal(Array("user=alice".utf8), name: name, expires: 200).utf8)
        for index in text.indices {
            for bit in 0..<7 {
                var altered = text
                altered[index] ^= 1 << UInt8(bit)
                #expect(seal.open(altered.span, name: name, at: 100) == nil, "octet \(index), bit \(bit)")
            }
        }
    }

    // S3
    @Test func `a cookie under another name or for another purpose opens nothing`() throws {
        let text = try seal.seal([1], name: name, expires: 200)
        #expect(open(text, name: "session-0a1b2c3d") == nil)
        let other = SealedCookie(purpose: "login", ring: ring)
        #expect(other.open(text.utf8.span, name: name, at: 100) == nil)
        // Name and purpose are length-prefixed: moving a letter from one to the other changes the key.
        let shifted = SealedCookie(purpose: "essions", ring: ring)
        let one = try SealedCookie(purpose: "session", ring: ring).seal([1], name: "s", expires: 200)
        #expect(shifted.open(one.utf8.span, name: "", at: 100) == nil)
    }

    @Test func `an older key of the ring still opens, a forgotten one does not`() throws {
        let text = try seal.seal([9], name: name, expires: 200)
        let newer = [UInt8](repeating: 8, count: 32)
        let both = SealedCookie(
            purpose: "session",
            ring: try SealingKeyRing(octets: [newer, [UInt8](repeating: 7, count: 32)])
        )
        #expect(both.open(text.utf8.span, name: name, at: 100) == [9])
        let alone = SealedCookie(purpose: "session", ring: try SealingKeyRing(octets: [newer]))
        #expect(alone.open(text.utf8.span, name: name, at: 100) == nil)
    }

    // S3
    @Test func `ten thousand seals of the same text are all unlike`() throws {
        var seen: Set<String> = []
        for _ in 0..<10_000 { seen.insert(try seal.seal([1], name: name, expires: 200)) }
        #expect(seen.count == 10_000)
    }

    @Test(arguments: [
        "", "A", "====", "not base64!", String(repeating: "A", count: 66),
        String(repeating: "A", count: 4096),
    ])
    func `text that we never wrote opens nothing`(_ text: String) {
        #expect(open(text) == nil)
    }

    // MARK: Several cookies

    // K3
    @Test(arguments: [1, 4070, 4071, 8140, 12_000, 20_000])
    func `each part and its name fit a browser's 4096 octets`(_ count: Int) throws {
        let parts = try SealedCookie.split(String(repeating: "x", count: count), name: name)
        for part in parts { #expect(part.name.utf8.count + 1 + part.value.utf8.count <= 4096) }
        #expect(parts[0].value.hasPrefix("\(parts.count)."))
        #expect(parts.map(\.name) == (0..<parts.count).map { $0 == 0 ? name : "\(name)_\($0)" })
        let whole = parts[0].value.dropFirst(2) + parts.dropFirst().map(\.value).joined()
        #expect(whole.utf8.count == count)
    }

    @Test func `what needs six cookies is not written`() throws {
        let room = 4096 - name.utf8.count - 3
        #expect(try SealedCookie.split(String(repeating: "x", count: room * 5), name: name).count == 5)
        #expect(throws: SealError.tooLarge) {
            try SealedCookie.split(String(repeating: "x", count: room * 5 + 1), name: name)
        }
    }

    // E5
    @Test(arguments: ["0.x", "6.x", "9.x", "-1.x", "1000000000.x", "1", "1.", ".x", "x.x", "", "１.x"])
    func `a count of parts that we never write is none`(_ value: String) {
        #expect(SealedCookie.count(in: value.utf8.span) == nil)
    }

    @Test(arguments: 1...5) func `a count of parts that we write is read`(_ count: Int) {
        #expect(SealedCookie.count(in: "\(count).x".utf8.span) == count)
    }
}

struct SessionCookiesTests {
    let cookies: SessionCookies

    init() throws {
        let ring = try SealingKeyRing(octets: [[UInt8](repeating: 7, count: 32)])
        cookies = SessionCookies(
            name: "session",
            attributes: CookieAttributes(),
            seal: SealedCookie(purpose: "s", ring: ring),
            limits: SessionLimits()
        )
    }

    private func session(tokenBytes: Int = 10) -> Session {
        var session = Session(id: "one", at: 1000, issuer: "https://id.example", subject: "alice")
        session.accessToken = String(repeating: "a", count: tokenBytes)
        return session
    }

    /// Set-Cookie values as a browser would send them back.
    private func jar(_ lines: [String]) -> [String] {
        lines.compactMap { $0.split(separator: ";").first.map(String.init) }
    }

    private func open(_ field: String, at now: Double = 1000) -> Session? {
        guard
            case .sealed(let found) = cookies.presented(
                in: field.utf8.span,
                https: true,
                { cookies.open($0, https: true, at: now) }
            )
        else { return nil }
        return found
    }

    @Test func `a session in one cookie comes back`() throws {
        let lines = try cookies.lines(session(), https: true, present: 0)
        #expect(lines.count == 1)
        #expect(open("a=b; \(jar(lines)[0]); c=d") == session())
    }

    // K1, K2
    @Test func `on https the cookie is bound to the host and hidden from scripts`() throws {
        let line = try cookies.lines(session(), https: true, present: 0)[0]
        #expect(line.hasPrefix("__Host-session=1."))
        #expect(line.hasSuffix("; Path=/; HttpOnly; SameSite=Lax; Secure"))
        #expect(!line.contains("Domain"))
    }

    @Test func `on http there is neither prefix nor Secure`() throws {
        let line = try cookies.lines(session(), https: false, present: 0)[0]
        #expect(line.hasPrefix("session=1."))
        #expect(line.hasSuffix("; Path=/; HttpOnly; SameSite=Lax"))
    }

    @Test func `a domain or another path takes the prefix away`() {
        #expect(CookieAttributes(domain: "example.com").fullName("s", https: true) == "s")
        #expect(CookieAttributes(path: "/app").fullName("s", https: true) == "s")
        #expect(CookieAttributes(secure: true).fullName("s", https: false) == "__Host-s")
    }

    // E5, S3
    @Test func `a large session comes in parts, and only whole and in order`() throws {
        let lines = try cookies.lines(session(tokenBytes: 8000), https: true, present: 0)
        let parts = jar(lines)
        #expect(parts.count == 3)
        #expect(open(parts.joined(separator: "; ")) == session(tokenBytes: 8000))
        #expect(open(parts.reversed().joined(separator: "; ")) == session(tokenBytes: 8000))
        #expect(open("\(parts[0]); \(parts[1])") == nil)
        #expect(open("\(parts[1]); \(parts[2])") == nil)
        #expect(open((parts + [parts[1]]).joined(separator: "; ")) == nil)
        let values = parts.map { String($0.drop { $0 != "=" }.dropFirst()) }
        #expect(open("\(parts[0]); __Host-session_1=\(values[2]); __Host-session_2=\(values[1])") == nil)
        #expect(open("\(parts[0]); \(parts[1].dropLast()); \(parts[2])") == nil)
    }

    // K4
    @Test func `two cookies of our name are trusted by nobody`() throws {
        let good = jar(try cookies.lines(session(), https: true, present: 0))[0]
        #expect(open("\(good); __Host-session=1.tossed") == nil)
        #expect(open("__Host-session=1.tossed; \(good)") == nil)
        guard case .broken = cookies.presented(in: "\(good); \(good)".utf8.span, https: true, { _ in 0 })
        else {
            Issue.record("two cookies of our name must be broken")
            return
        }
    }

    // K5
    @Test func `the prefix counts with its case, and nameless cookies are nothing`() throws {
        let good = jar(try cookies.lines(session(), https: true, present: 0))[0]
        #expect(open(good.replacing("__Host-", with: "__host-")) == nil)
        #expect(open("=\(good)") == nil)
        #expect(open("\(good); =x") == session())
    }

    @Test func `parts that are no longer needed are removed with the same attributes (S4)`() throws {
        let lines = try cookies.lines(session(), https: true, present: 3)
        #expect(lines.count == 3)
        #expect(lines[1] == "__Host-session_1=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure")
        #expect(lines[2].hasPrefix("__Host-session_2=; Path=/; Max-Age=0"))
    }

    // K8
    @Test(arguments: [
        ("__Host-session", true), ("session", true), ("__Host-session_1", true), ("session_4", true),
        ("session_0", false), ("session_10", false), ("session-x", false), ("sessio", false),
        ("Session", false),
    ])
    func `our names are known among others`(_ name: String, _ isOurs: Bool) {
        #expect(cookies.isOurs(name.utf8.span) == isOurs)
    }
}

struct CookieJarTests {
    @Test(arguments: [
        ("a=1; s=2; b=3", 1, "2"), ("s=2", 1, "2"), (" s = 2 ;", 1, "2"), ("s=a=b", 1, "a=b"),
        ("xs=1", 0, ""),
        ("s=1; s=2", 2, "1"), ("s", 0, ""), ("=s", 0, ""), ("S=1", 0, ""), ("", 0, ""), (";;;", 0, ""),
        ("s=", 1, ""),
    ])
    func `a cookie is found by its whole name`(_ field: String, _ count: Int, _ value: String) {
        let sighting = CookieJar.find(Array("s".utf8), in: field.utf8.span)
        #expect(sighting.count == count)
        #expect(CookieJar.text(field.utf8.span, sighting.value) == value)
    }
}
