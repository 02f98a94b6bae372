// A handshake's first octets, and what may stand before them, under any octets.

@testable import Proxy

/// Reads octets as a TLS door gets them.
package enum HelloCheck {
    /// Holds `input` to all promises about a ClientHello.
    package static func run(_ input: [UInt8]) throws(Finding) {
        let whole = ClientHello.read(input)
        var awaited = 0
        for count in 0..<input.count where count >= awaited {
            let reading = ClientHello.read(Array(input[..<count]))
            guard case .incomplete(let until) = reading else {
                try demand(reading == whole, "\(count) octets: \(reading), all of them: \(whole)")
                break
            }
            try demand(until > count, "\(count) octets wait until there are \(until)")
            awaited = until
        }
        if case .incomplete(let until) = whole {
            try demand(until > input.count, "\(input.count) octets wait until there are \(until)")
        }
        guard case .whole(let hello) = whole else { return }
        try demand(ClientHello.read(input + [0]) == whole, "one more octet changes what was said")
        guard let name = hello.serverName?.utf8 else { return }
        try demand((1...255).contains(name.count), "a name of \(name.count) octets")
        try demand(
            name.allSatisfy { $0 > 0x20 && $0 < 0x7F && !(0x41...0x5A).contains($0) },
            "the name \(shown(name))"
        )
        try demand(name.count == 1 || name.last != UInt8(ascii: "."), "the name \(shown(name))")
    }
}

/// Reads octets as the door behind a balancer gets them.
package enum HeaderCheck {
    /// Holds `input` to all promises about the PROXY protocol's header.
    package static func run(_ input: [UInt8]) throws(Finding) {
        let whole = ProxyHeader.read(input)
        for count in 0..<input.count {
            let reading = ProxyHeader.read(Array(input[..<count]))
            guard reading != .incomplete else { continue }
            try demand(reading == whole, "\(count) octets: \(reading), all of them: \(whole)")
            break
        }
        try demand(
            whole != .incomplete || input.count < ProxyHeader.limit,
            "\(input.count) octets are no end"
        )
        guard case .whole(let header, let count) = whole else { return }
        try demand(count <= min(input.count, ProxyHeader.limit), "a header of \(count) octets")
        try demand(ProxyHeader.read(Array(input[..<count])) == whole, "the header alone says something else")
        try demand(
            count < 1 || ProxyHeader.read(Array(input[..<(count - 1)])) == .incomplete,
            "ends too late"
        )
        guard input[0] == UInt8(ascii: "P"), case .client(let address) = header else { return }
        // Version 1 writes the address as text: the same one.
        let words = String(decoding: input[..<count], as: UTF8.self).split(separator: " ")
        try demand(words.count > 2 && IPAddress(words[2]) == address, "the client is \(address)")
    }
}
