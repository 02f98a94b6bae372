// NIOHTTP1 (llhttp) as a second opinion, and why we may differ.

import NIOCore
import NIOEmbedded
import NIOHTTP1

@testable import Proxy

/// What NIOHTTP1 makes of octets.
enum SecondOpinion {
    /// A request's head and body, or nil if it is refused.
    static func request(_ octets: [UInt8]) -> (head: HTTPRequestHead, body: [UInt8], ended: Bool)? {
        let channel = EmbeddedChannel(
            handler: ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes))
        )
        defer { _ = try? channel.finish(acceptAlreadyClosed: true) }
        do {
            try channel.writeInbound(ByteBuffer(bytes: octets))
            guard case .head(let head)? = try channel.readInbound(as: HTTPServerRequestPart.self) else {
                return nil
            }
            var (body, ended) = ([UInt8](), false)
            while let part = try channel.readInbound(as: HTTPServerRequestPart.self) {
                switch part {
                case .head: return (head, body, ended)
                case .body(let buffer): body += Array(buffer.readableBytesView)
                case .end: ended = true
                }
            }
            return (head, body, ended)
        } catch {
            return nil
        }
    }

    /// The head of an answer to a request with `method`, or nil if it is refused.
    static func answer(_ octets: [UInt8], to method: HTTPMethod) -> HTTPResponseHead? {
        let channel = EmbeddedChannel()
        defer { _ = try? channel.finish(acceptAlreadyClosed: true) }
        do {
            let decoder = HTTPResponseDecoder(
                leftOverBytesStrategy: .dropBytes,
                informationalResponseStrategy: .forward
            )
            let handlers: [any ChannelHandler] = [HTTPRequestEncoder(), ByteToMessageHandler(decoder)]
            try channel.pipeline.syncOperations.addHandlers(handlers)
            let head = HTTPRequestHead(version: .http1_1, method: method, uri: "/")
            try channel.writeOutbound(HTTPClientRequestPart.head(head))
            try channel.writeInbound(ByteBuffer(bytes: octets))
            guard case .head(let answer)? = try channel.readInbound(as: HTTPClientResponsePart.self) else {
                return nil
            }
            return answer
        } catch {
            return nil
        }
    }

    /// Without the whitespace around it, which NIOHTTP1 leaves at the end.
    static func trimmed(_ value: String) -> String {
        let isBlank = { (octet: UInt8) in octet == 0x20 || octet == 0x09 }
        let start = value.utf8.drop(while: isBlank)
        return String(decoding: start.reversed().drop(while: isBlank).reversed(), as: UTF8.self)
    }

    /// Methods that llhttp knows; it has a closed list.
    private static let methods: Set<String> = [
        "ACL", "BIND", "CHECKOUT", "COPY", "DELETE", "GET", "HEAD", "LINK", "LOCK", "M-SEARCH", "MERGE",
        "MKACTIVITY", "MKCALENDAR", "MKCOL", "MOVE", "NOTIFY", "OPTIONS", "PATCH", "POST", "PROPFIND",
        "PROPPATCH", "PURGE", "PUT", "REBIND", "REPORT", "SEARCH", "SUBSCRIBE", "UNBIND", "UNLINK", "UNLOCK",
        "UNSUBSCRIBE",
    ]

    /// Why we may let in a request's head that NIOHTTP1 refuses.
    ///
    /// - A method that it does not know: llhttp has a closed list, RFC 9110 §9.1 any token.
    /// - A request target with characters that it takes for no URL, all visible ASCII: ours makes the path canonical.
    /// - A tab after a length: optional whitespace by RFC 9110 §5.6.3; the length is written anew.
    static func isExcused(_ head: RequestHead) -> Bool {
        if head.fields.bytes.contains(Octet.tab), head.first(.contentLength) != nil { return true }
        return !Self.methods.contains(head.methodText)
            || head.target.contains { "\"<>\\^`{|}".utf8.contains($0) }
    }

    /// Why we may let in a chunked body that NIOHTTP1 refuses.
    ///
    /// - Framing fields among the trailers: ours drops those.
    static func isExcused(body: some Collection<UInt8>) -> Bool {
        let text = String(decoding: body, as: UTF8.self).lowercased()
        return text.contains("transfer-encoding") || text.contains("content-length")
    }
}
