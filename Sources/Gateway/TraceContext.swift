// `traceparent`: passed on as it came, or begun.
import Proxy

extension FieldName {
    static let traceparent: FieldName = "traceparent"
    static let tracestate: FieldName = "tracestate"
}

/// The trace that a request belongs to, as its upstream is told.
///
/// W3C Trace Context §3.2 and §4: a valid `traceparent` is passed on untouched, and `tracestate` with it;
/// where there is none, or it is no valid one, a trace is begun, and what stands in `tracestate` belongs to
/// none.
enum TraceContext {
    /// Fills in what the upstream shall see, unless a plugin has chosen it already.
    static func passOn(_ passage: Passage) throws(FieldEditError) {
        guard !passage.towardsUpstream.adds(.traceparent), !passage.towardsUpstream.removes(.traceparent)
        else {
            return
        }
        let head = passage.request
        if let field = head.first(.traceparent), head.count(of: .traceparent) == 1,
            head.goesOn(
                field,
                after: passage.towardsUpstream,
                dropping: passage.currentPlan.identityFields,
                isTrusted: passage.client.isTrustedPeer
            ), head.withValue(field, Self.isValid)
        {
            return
        }
        let (trace, parent) = (passage.worker.nextBits(), passage.worker.nextBits().low)
        try passage.towardsUpstream.set(.traceparent, count: 55) { Self.write(trace, parent, to: &$0) }
        passage.towardsUpstream.remove(.tracestate)
    }

    /// Whether a `traceparent` can be passed on: `00-`, a trace, a parent, flags; later versions may have
    /// more behind.
    static func isValid(_ value: Span<UInt8>) -> Bool {
        let dash = UInt8(ascii: "-")
        guard value.count >= 55, value[2] == dash, value[35] == dash, value[52] == dash else { return false }
        guard Self.isHexadecimal(value, 0..<2), Self.isHexadecimal(value, 3..<35),
            Self.isHexadecimal(value, 36..<52), Self.isHexadecimal(value, 53..<55)
        else { return false }
        guard !Self.isZero(value, 3..<35), !Self.isZero(value, 36..<52) else { return false }
        if value[0] == UInt8(ascii: "f"), value[1] == UInt8(ascii: "f") { return false }
        let isFirstVersion = Self.isZero(value, 0..<2)
        return value.count == 55 || (!isFirstVersion && value[55] == dash)
    }

    /// Lower case alone, as the standard has it.
    private static func isHexadecimal(_ value: Span<UInt8>, _ range: Range<Int>) -> Bool {
        for index in range {
            let octet = value[index]
            guard (0x30...0x39).contains(octet) || (0x61...0x66).contains(octet) else { return false }
        }
        return true
    }

    private static func isZero(_ value: Span<UInt8>, _ range: Range<Int>) -> Bool {
        for index in range where value[index] != 0x30 { return false }
        return true
    }

    /// Writes a new trace; its sampled flag is off, since nothing is recorded here (§3.2.2.5).
    private static func write(
        _ trace: (high: UInt64, low: UInt64),
        _ parent: UInt64,
        to output: inout OutputSpan<UInt8>
    ) {
        let (zero, dash) = (UInt8(ascii: "0"), UInt8(ascii: "-"))
        output.append(zero)
        output.append(zero)
        output.append(dash)
        // Neither may be zero.
        output.append(hexadecimal: trace.high)
        output.append(hexadecimal: trace.low | 1)
        output.append(dash)
        output.append(hexadecimal: parent | 1)
        output.append(dash)
        output.append(zero)
        output.append(zero)
    }
}
