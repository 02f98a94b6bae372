// A message's body as it comes in.

/// Counts a body in, whatever delimits it.
struct InboundBody: Sendable {
    private var framing = BodyFraming.none
    private var remaining = 0
    private var chunks = ChunkedBody()
    /// Octets of data that have come.
    private(set) var received = 0
    /// Whether its end has come.
    private(set) var isComplete = true
    /// The lines of the trailers behind it, as they came; an owner whose protocol has them elsewhere puts them here.
    var trailers: [UInt8] = []

    /// Begins a body.
    mutating func begin(_ framing: BodyFraming) {
        if !self.trailers.isEmpty { self.trailers = [] }
        self.framing = framing
        self.received = 0
        self.isComplete = false
        switch framing {
        case .none: self.isComplete = true
        case .length(let count):
            self.remaining = count
            self.isComplete = count == 0
        case .chunked: self.chunks = ChunkedBody()
        case .untilClose: break
        }
    }

    /// Begins the same body anew: its octets come again.
    mutating func restart() {
        let trailers = self.trailers
        self.begin(self.framing)
        self.trailers = trailers
    }

    /// Gives the next data of `input` from `index` on, and moves `index` behind it.
    mutating func next(_ input: Span<UInt8>, from index: inout Int) -> ChunkedBody.Piece {
        guard !self.isComplete else { return .end }
        guard self.framing == .chunked else {
            guard index < input.count else { return .more }
            let available = input.count &- index
            let count = self.framing == .untilClose ? available : min(available, self.remaining)
            let range = index..<(index &+ count)
            index = range.upperBound
            self.remaining &-= count
            self.received &+= count
            if self.framing != .untilClose, self.remaining == 0 { self.isComplete = true }
            return .data(range)
        }
        let piece = self.chunks.next(input, from: &index)
        switch piece {
        case .data(let range): self.received &+= range.count
        case .end:
            self.isComplete = true
            if !self.chunks.trailers.isEmpty { self.trailers = self.chunks.trailers }
        case .more, .malformed: break
        }
        return piece
    }

    /// The peer has closed; whether that was the body's end.
    mutating func close() -> Bool {
        if self.framing == .untilClose { self.isComplete = true }
        return self.isComplete
    }
}
