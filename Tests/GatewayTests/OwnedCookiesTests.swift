// Cookies of plugins are kept from every upstream.
import Proxy
import Testing

@testable import Gateway

struct OwnedCookiesTests {
    /// Keeps a cookie called `s`.
    private final class Owner: CookieOwner {
        func owns(cookie name: Span<UInt8>) -> Bool { name.count == 1 && name[0] == UInt8(ascii: "s") }
        func request(_ passage: Passage) throws(Refusal) -> Step { .proceed }
    }

    // K8
    @Test(
        arguments: [
            ("a=1; s=2; b=3", "a=1; b=3"), ("s=2", ""), ("a=1;b=2", nil), ("s=1;s=2;c", "c"), ("s", ""),
            ("a=1; s =2", "a=1"), ("S=1; ss=2", nil), ("", nil),
        ] as [(String, String?)]
    )
    func `owned cookies are taken out and the others stay`(_ field: String, _ rest: String?) {
        let left = OwnedCookies([Owner()]).without(field.utf8.span)
        #expect(left.map { String(decoding: $0, as: UTF8.self) } == rest)
    }
}
