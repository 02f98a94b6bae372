// Plays that a fuzzer or a reader of the code once won.

import Testing

@testable import Proxy

struct PlayTests {
    typealias Step = ConnectionScript.Step

    /// Performs steps of clients and upstreams in memory.
    static func perform(_ steps: [(Step, UInt8)]) throws {
        try ConnectionCheck.run(steps.flatMap { [$0.0.rawValue, $0.1] })
    }

    /// Lines of `ConnectionScript`, by number.
    static let (getA, own, postChunkedTooLong): (UInt8, UInt8, UInt8) = (0, 2, 17)
    static let (ok, untilClose, interim, nineHundred): (UInt8, UInt8, UInt8, UInt8) = (0, 3, 6, 28)

    @Test func `a connection that closes while it is made leaves its place in the pool`() throws {
        try Self.perform([(.clientSendsLine, Self.postChunkedTooLong)])
        let other: UInt8 = 16
        try ConnectionCheck.run([
            Step.clientSendsLine.rawValue, Self.getA, Step.upstreamSendsLine.rawValue, Self.ok,
            Step.clientComes.rawValue, 0, Step.clientSendsLine.rawValue, Self.getA, Step.holdDials.rawValue,
            0,
            Step.clientSendsLine.rawValue + other, Self.getA, Step.upstreamSendsLine.rawValue, Self.ok,
            Step.clientCloses.rawValue + other, 0, Step.settleDial.rawValue, 0, Step.holdDials.rawValue, 0,
        ])
    }

    @Test func `a client that reads no answers gets no more of them (X21)`() throws {
        let more = [(Step.clientSendsLine, Self.getA), (.upstreamSendsLine, Self.nineHundred)]
        try Self.perform([(.clientStalls, 0)] + (0..<14).flatMap { _ in more })
    }

    @Test func `an answer until close that ends in a reset is not passed on as whole (X18)`() throws {
        try Self.perform([
            (.clientSendsLine, Self.getA), (.upstreamSendsLine, Self.untilClose), (.upstreamCloses, 1),
        ])
        try Self.perform([
            (.clientSendsLine, Self.getA), (.upstreamSendsLine, Self.untilClose), (.upstreamCloses, 0),
        ])
    }

    @Test func `a request that has had an interim answer is not sent again (X17)`() throws {
        try Self.perform([
            (.clientSendsLine, Self.getA), (.upstreamSendsLine, Self.ok), (.clientSendsLine, Self.getA),
            (.upstreamSendsLine, Self.interim), (.upstreamCloses, 0),
        ])
    }

    @Test func `an exchange that waits for a connection is watched though its client reads again`() throws {
        try Self.perform([
            (.clientStalls, 0), (.holdDials, 0), (.clientSendsLine, Self.getA), (.clientStalls, 0),
        ])
    }

    @Test func `a body that stays away is watched though much of it had to wait for a connection (X21)`()
        throws
    {
        let head = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 400\r\n\r\n"
        let raw = Array((head + String(repeating: "b", count: 180)).utf8)
        let hold = [Step.holdDials.rawValue, 0]
        try ConnectionCheck.run(
            hold + [Step.clientSends.rawValue, UInt8(raw.count)] + raw + [Step.settleDial.rawValue, 0]
        )
    }

    @Test func `an answer until close ends with its own octets, not with another client's answer (H5)`()
        throws
    {
        let other: UInt8 = 16
        try ConnectionCheck.run([
            Step.clientSendsLine.rawValue, Self.getA, Step.upstreamSendsLine.rawValue, Self.untilClose,
            Step.clientComes.rawValue, 0, Step.clientSendsLine.rawValue + other, Self.own,
            Step.upstreamCloses.rawValue, 0,
        ])
    }
}
