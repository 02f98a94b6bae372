// Wall time as text.
import Testing

@testable import Gateway

struct TimestampTests {
    @Test(
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"), (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (-5, "Thu, 01 Jan 1970 00:00:00 GMT"), (1e300, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] as [(Double, String)]
    )
    func `a moment is written as HTTP asks`(seconds: Double, text: String) {
        var date = HTTPDate()
        #expect(date.text(seconds) == text)
    }

    @Test func `a new second is a new text, the same second is not`() {
        var date = HTTPDate()
        #expect(date.text(1.2) == date.text(1.9))
        #expect(date.text(1.9) != date.text(2.0))
    }
}
