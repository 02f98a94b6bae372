// A request told by another hop, read into the storage of one that is gone.

import Testing

@testable import Proxy

struct RetoldHeadTests {
    @Test func `a head that is told again has nothing of the one whose storage it takes`() throws {
        let gone = try RequestHead.parse(
            "POST /A/%62?c=d HTTP/1.0\r\nHost: A.test:81\r\nX-One: 1\r\nConnection: x-one\r\nContent-Length: 5\r\n\r\n"
                .utf8
        )
        let asked = try RequestHead.parse("GET /own/x HTTP/1.1\r\nHost: b\r\nX-Two: 2\r\nTE: a\r\n\r\n".utf8)
        for storage in [RequestHead(), gone] {
            let told = try asked.retold(
                method: asked.methodOctets,
                target: asked.target.dropFirst(4),
                authority: asked.authority,
                dropping: FieldNameSet([.host, "te"]),
                limits: ProxyLimits(),
                into: storage
            )
            #expect(told.method == .get && told.isHTTP11 && told.framing == .none && told.keepsAlive)
            #expect(told.pathText == "/x" && told.queryText == nil && told.isPathAsWritten)
            #expect(told.hostText == "b" && told.port == nil && !told.nominates)
            #expect(told.count(of: "x-one") == 0 && told.count(of: "te") == 0 && told.count(of: .host) == 1)
            #expect(told.string(of: "x-two") == "2" && told.fields.ranges.count == 2)
        }
    }

    @Test(arguments: ["/x HTTP/1.1\r\nHost: evil\r\n\r\n", "/x\r\nA: b", "/ x", ""])
    func `what is told has to be one head (P1)`(_ target: String) throws {
        let asked = try RequestHead.parse("GET / HTTP/1.1\r\nHost: b\r\n\r\n".utf8)
        #expect(throws: RequestRefusal.self) {
            try asked.retold(
                method: asked.methodOctets,
                target: Array(target.utf8)[...],
                authority: asked.authority,
                dropping: FieldNameSet([.host]),
                limits: ProxyLimits(),
                into: RequestHead()
            )
        }
    }
}
