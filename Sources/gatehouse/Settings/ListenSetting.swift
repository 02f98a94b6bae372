// An address to listen on, in Kong's syntax.
import Proxy

/// One listener: `0.0.0.0:8000`, `[::]:8443 ssl http2 backlog=4096`.
struct ListenSetting: Sendable, Equatable {
    var host: String
    var port: Int
    /// Connections that may wait to be accepted; `nil`: the system's bound.
    var backlog: Int?
    /// Whether clients may speak HTTP/2, besides HTTP/1.1.
    var takesHTTP2 = false
    /// Whether clients speak TLS.
    var isTLS = false
    /// Whether each connection begins with the PROXY protocol's header.
    var takesProxyHeader = false

    /// What is wrong with an address, as a sentence.
    struct Mend: Error, CustomStringConvertible {
        let description: String
    }

    /// Reads one address and the words after it.
    static func parse(_ text: String) -> Result<ListenSetting, Mend> {
        var words = text.split(separator: " ").map(String.init)[...]
        guard let address = words.popFirst(), let (host, port) = self.address(address) else {
            return .failure(Mend(description: "expected HOST:PORT such as 0.0.0.0:8000, found '\(text)'"))
        }
        var listener = ListenSetting(host: host, port: port)
        for word in words {
            switch word {
            case "reuseport", "deferred", "so_keepalive=on": continue
            case "http2": listener.takesHTTP2 = true
            case "ssl": listener.isTLS = true
            case "proxy_protocol": listener.takesProxyHeader = true
            default:
                guard word.hasPrefix("backlog="), let backlog = Int(word.dropFirst(8)), backlog > 0 else {
                    return .failure(
                        Mend(
                            description:
                                "'\(word)' is not known; there are ssl, http2, proxy_protocol, backlog=N and reuseport"
                        )
                    )
                }
                listener.backlog = backlog
            }
        }
        return .success(listener)
    }

    private static func address(_ text: String) -> (String, Int)? {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (0...65_535).contains(port)
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
            return host.isEmpty ? nil : (String(host), port)
        }
        return host.isEmpty || host.contains(":") ? nil : (String(host), port)
    }
}

extension ListenAddress {
    /// What was written of it; calls of gRPC come over HTTP/2 whether that was written or not.
    init(_ setting: ListenSetting, isForCalls: Bool = false) {
        self.init(
            host: setting.host,
            port: setting.port,
            backlog: setting.backlog,
            takesHTTP2: setting.takesHTTP2 || isForCalls,
            isTLS: setting.isTLS,
            takesProxyHeader: setting.takesProxyHeader,
            isForCalls: isForCalls
        )
    }
}
