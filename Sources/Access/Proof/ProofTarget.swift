// The address by which a request was made, as a proof's `htu` names it.
import Gateway
import Proxy

/// Compares `htu` with a request (RFC 9449 §4.3 (9)): query and fragment left out, by the rules of RFC 3986 §6.2.
///
/// The request's scheme and host are those that the client used: what a trusted proxy tells of them counts. Its path is
/// the canonical one, and so is `htu`'s made by the same guard.
struct ProofTarget {
    let passage: Passage
    let limits: ProxyLimits

    /// Whether `address` is the request's.
    func matches(_ address: String) -> Bool {
        guard let own = RedirectTarget.Origin(passage) else { return false }
        let plain = address.utf8.prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
        let path = passage.request.path
        let start = own.text.utf8
        // As nearly all write it.
        if plain.count == start.count + path.count, plain.starts(with: start),
            plain.dropFirst(start.count).elementsEqual(path)
        {
            return true
        }
        guard plain.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), let text = String(plain),
            let origin = RedirectTarget.origin(of: text),
            origin == own || origin == toldOrigin(own), let head = head(RedirectTarget.tail(of: text))
        else { return false }
        return head.path.elementsEqual(path)
    }

    /// The origin with the port that a trusted proxy tells, where the host that it tells has none.
    private func toldOrigin(_ own: RedirectTarget.Origin) -> RedirectTarget.Origin? {
        let client = passage.client
        guard client.isTrustedPeer, own.port == nil, passage.request.count(of: .xForwardedPort) == 1 else {
            return nil
        }
        let port = Int(client.port) == Int(client.scheme.defaultPort) ? nil : Int(client.port)
        return RedirectTarget.Origin(scheme: own.scheme, host: own.host, port: port)
    }

    private func head(_ path: String) -> RequestHead? {
        try? RequestHead.parse(Array("GET \(path) HTTP/1.1\r\nHost: h\r\n\r\n".utf8), limits: limits)
    }
}
