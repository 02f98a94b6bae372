// A client's wish to speak another protocol on its connection. RFC 9110 §7.8.

/// Reads which protocols a request offers to switch to.
enum UpgradeRequest {
    /// Where the offer stands in the head; nil where there is none that may be passed on.
    ///
    /// Other versions of HTTP and TLS are for this hop alone: passed on, they would open a way past every rule here.
    static func offer(of head: borrowing RequestHead) -> Range<Int>? {
        guard head.fields.kinds.contains(.upgrade), head.nominates, head.isHTTP11, head.framing == .none
        else {
            return nil
        }
        return Self.protocols(in: head.fields)
    }

    /// Where the one `Upgrade` field's value stands, if `Connection` names it and all in it may be passed on.
    private static func protocols(in fields: FieldTable) -> Range<Int>? {
        var offer: Range<Int>?
        var isNominated = false
        for field in fields.ranges {
            switch field.kind {
            case .connection:
                TokenList.forEach(fields.bytes, field.value) {
                    isNominated = isNominated || fields.bytes.matches($0, lowercased: Self.upgrade)
                }
            case .upgrade where fields.bytes.matches(field.name, lowercased: Self.upgrade):
                guard offer == nil, !field.value.isEmpty else { return nil }
                offer = field.value
            default: continue
            }
        }
        guard isNominated, let offer, Self.mayPass(fields.bytes, offer) else { return nil }
        return offer
    }

    private static func mayPass(_ bytes: [UInt8], _ offer: Range<Int>) -> Bool {
        var mayPass = true
        TokenList.forEach(bytes, offer) { element in
            let isPlain = element.allSatisfy { Octet.isToken(bytes[$0]) || bytes[$0] == 0x2F }
            let isOurs = Self.ours.contains {
                element.count >= $0.count
                    && bytes.matches(
                        element.lowerBound..<(element.lowerBound + $0.count),
                        lowercased: $0
                    )
            }
            mayPass = mayPass && isPlain && !isOurs
        }
        return mayPass
    }

    /// Whether an answer switches to one protocol that was offered.
    static func accepts(
        _ answer: borrowing ResponseHead,
        offer: Range<Int>,
        of head: borrowing RequestHead
    ) -> Bool {
        guard answer.status == 101, let chosen = Self.protocols(in: answer.fields) else { return false }
        let wanted = answer.fields.bytes[chosen].map(Octet.lowercased)
        var isOffered = false
        TokenList.forEach(head.fields.bytes, offer) {
            isOffered = isOffered || head.fields.bytes.matches($0, lowercased: wanted)
        }
        return isOffered
    }

    private static let upgrade = Array("upgrade".utf8)
    private static let ours = [Array("h2c".utf8), Array("http/".utf8), Array("tls/".utf8)]
}
