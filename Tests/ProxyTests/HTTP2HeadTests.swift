// Heads of HTTP/2 and HTTP/1.1, from one to the other (RFC 9113 §8).

import NIOCore
import NIOHPACK
import Testing

@testable import Proxy

@Suite struct HTTP2HeadTests {
    private static let plain: [(String, String)] = [
        (":method", "GET"), (":scheme", "https"), (":path", "/a?b"), (":authority", "app.test"),
    ]

    /// The text that fields become, or the refusal.
    private static func text(
        _ fields: [(String, String)],
        isWhole: Bool = true
    ) -> Result<String, RequestRefusal> {
        var bytes: [UInt8] = []
        do throws(RequestRefusal) {
            try HTTP2Head.write(FieldList(fields), isWhole: isWhole, into: &bytes)
            return .success(String(decoding: bytes, as: UTF8.self))
        } catch {
            return .failure(error)
        }
    }

    @Test func `a request is written down as HTTP/1.1 would send it`() {
        let fields =
            Self.plain + [("cookie", "a=1"), ("x-own", "v"), ("cookie", "b=2"), ("te", "trailers")]
        #expect(
            Self.text(fields)
                == .success(
                    "GET /a?b HTTP/1.1\r\nhost: app.test\r\nx-own: v\r\nte: trailers\r\ncookie: a=1; b=2\r\n\r\n"
                )
        )
    }

    @Test func `a body whose length nobody knows is chunked, one that is known is not`() {
        let chunked = "GET /a?b HTTP/1.1\r\nhost: app.test\r\ntransfer-encoding: chunked\r\n\r\n"
        #expect(Self.text(Self.plain, isWhole: false) == .success(chunked))
        let known = Self.plain + [("content-length", "3")]
        #expect(
            Self.text(known, isWhole: false)
                == .success("GET /a?b HTTP/1.1\r\nhost: app.test\r\ncontent-length: 3\r\n\r\n")
        )
    }

    @Test(arguments: [
        ("value", ("x-a", "b\r\nc: d"), RequestRefusal.malformed(.fieldValue)),
        ("line feed", ("x-a", "b\nc"), .malformed(.fieldValue)),
        ("NUL", ("x-a", "b\0"), .malformed(.fieldValue)),
        ("space before", ("x-a", " b"), .malformed(.fieldValue)),
        ("tab behind", ("x-a", "b\t"), .malformed(.fieldValue)),
        ("space alone", ("x-a", " "), .malformed(.fieldValue)),
        ("name", ("x-a: b\r\nc", "d"), .malformed(.fieldName)),
        ("capital", ("X-a", "b"), .malformed(.fieldName)),
        ("empty name", ("", "b"), .malformed(.fieldName)),
        ("unknown pseudo-field", (":other", "b"), .malformed(.fieldName)),
        ("second method", (":method", "PUT"), .malformed(.requestLine)),
        ("second path", (":path", "/closed"), .malformed(.requestLine)),
        ("second authority", (":authority", "app.test"), .malformed(.requestLine)),
        ("another host", ("host", "other.test"), .malformed(.host)),
        ("connection", ("connection", "close"), .malformed(.connection)),
        ("keep-alive", ("keep-alive", "1"), .malformed(.connection)),
        ("proxy-connection", ("proxy-connection", "close"), .malformed(.connection)),
        ("transfer-encoding", ("transfer-encoding", "chunked"), .malformed(.connection)),
        ("upgrade", ("upgrade", "websocket"), .malformed(.connection)),
        ("te", ("te", "gzip"), .malformed(.connection)),
    ])
    func `a field that would mean something else is refused`(
        name: String,
        field: (String, String),
        refusal: RequestRefusal
    ) {
        #expect(Self.text(Self.plain + [field]) == .failure(refusal))
    }

    @Test(arguments: [
        (":method", "GET /x HTTP/1.1\r\nA: b", RequestRefusal.malformed(.fieldValue)),
        (":method", "GET /x", .malformed(.requestLine)), (":method", "", .malformed(.requestLine)),
        (":method", "CONNECT", .methodNotAllowed), (":path", "", .malformed(.target)),
        (":path", "/a b", .malformed(.target)), (":path", "a", .malformed(.target)),
        (":path", "http://other/", .malformed(.target)), (":path", "*", .malformed(.target)),
        (":path", "/#", .malformed(.target)), (":path", "/\u{E9}", .malformed(.target)),
        (":scheme", "ftp", .malformed(.target)), (":scheme", "", .malformed(.target)),
        (":authority", "", .malformed(.host)), (":authority", "a b", .malformed(.host)),
    ])
    func `a pseudo-field that would mean something else is refused`(
        name: String,
        value: String,
        refusal: RequestRefusal
    ) {
        #expect(Self.text(Self.plain.map { $0.0 == name ? (name, value) : $0 }) == .failure(refusal))
    }

    @Test(arguments: [":method", ":path", ":scheme", ":authority"])
    func `a pseudo-field that is missing is missed`(name: String) {
        guard case .failure = Self.text(Self.plain.filter { $0.0 != name }) else {
            Issue.record("a request without \(name) is none")
            return
        }
    }

    /// Fields of a block, as another library reads them.
    private static func read(_ block: [UInt8]) throws -> HPACKHeaders {
        var decoder = HPACKDecoder(allocator: ByteBufferAllocator())
        var buffer = ByteBuffer(bytes: block)
        return try decoder.decodeHeaders(from: &buffer)
    }

    @Test func `an answer keeps its fields and loses what belongs to a connection`() throws {
        let text =
            "HTTP/1.1 200 OK\r\nX-Own:  v \r\nConnection: close\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=1"
            + "\r\nKeep-Alive: 1\r\nUpgrade: x\r\nX-Empty:\r\n\r\nbody"
        var block: [UInt8] = []
        let bodyStart = HTTP2Head.answer(Array(text.utf8), status: 200, into: &block)
        let fields = try Self.read(block)
        #expect(
            fields.map { "\($0.name)=\($0.value)" } == [
                ":status=200", "x-own=v", "set-cookie=a=1", "x-empty=",
            ]
        )
        #expect(bodyStart == text.utf8.count - 4)
        #expect(fields.first { $0.name == "set-cookie" }?.indexable == .neverIndexed)
    }

    @Test func `a request for an upstream is read back`() throws {
        let text =
            "POST /a?b HTTP/1.1\r\nHost: up:80\r\nAuthorization: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        var block: [UInt8] = []
        HTTP2Head.request(Array(text.utf8), into: &block)
        let fields = try Self.read(block)
        #expect(
            fields.map { "\($0.name)=\($0.value)" } == [
                ":method=POST", ":scheme=http", ":path=/a?b", ":authority=up:80", "authorization=x",
                "te=trailers",
            ]
        )
        #expect(fields.first { $0.name == "authorization" }?.indexable == .neverIndexed)
    }

    @Test(arguments: [
        [(":status", "20")], [(":status", "2xx")], [("x-a", "b")], [(":status", "200"), ("X-A", "b")],
        [(":status", "200"), ("x-a", "b\r\n")], [(":status", "200"), ("connection", "close")],
        [(":status", "200"), (":path", "/")],
    ])
    func `an answer that breaks a rule is none`(fields: [(String, String)]) {
        var bytes: [UInt8] = []
        #expect(!HTTP2Head.write(answer: FieldList(fields), into: &bytes))
    }

    @Test(arguments: [
        ("connection", "close"), ("transfer-encoding", "chunked"), ("x-a", "b\r\nc"), ("x-a", "b\0"),
        (":status", "200"), (":path", "/"), ("X-B", "c"), ("", "c"), ("x a", "c"),
    ])
    func `trailers that break a rule are none (RFC 9113 §8.1)`(_ field: (String, String)) {
        var lines: [UInt8] = []
        #expect(!HTTP2Head.write(trailers: FieldList([("grpc-status", "0"), field]), into: &lines))
    }

    @Test func `more trailers than the bound are none (X10)`() {
        for (count, fits) in [(TrailerRules.maximumFields, true), (TrailerRules.maximumFields + 1, false)] {
            var lines: [UInt8] = []
            let list = FieldList([(String, String)](repeating: ("x-a", "b"), count: count))
            #expect(HTTP2Head.write(trailers: list, into: &lines) == fits)
        }
    }

    @Test func `trailers go through lines of HTTP/1.1 and back`() throws {
        let fields = [("grpc-status", "0"), ("x-empty", ""), ("x-a", "b c")]
        var (lines, block): ([UInt8], [UInt8]) = ([], [])
        #expect(HTTP2Head.write(trailers: FieldList(fields), into: &lines))
        #expect(lines == HTTP2Head.lines(fields))
        HTTP2Head.trailers(lines, into: &block)
        #expect(try Self.read(block).map { "\($0.name)=\($0.value)" } == fields.map { "\($0.0)=\($0.1)" })
    }
}
