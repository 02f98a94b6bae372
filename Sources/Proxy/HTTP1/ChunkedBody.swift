// A chunked body's octets to the data in them. RFC 9112 §7.1.

/// Finds the data in a chunked body; extensions are checked, bounded and dropped, trailers checked, bounded and kept (X9, X10).
struct ChunkedBody: Sendable, Equatable {
    /// What stands at the index.
    enum Piece: Equatable {
        /// Data of a chunk, in this range of the input.
        case data(Range<Int>)
        /// The input is used up.
        case more
        /// The body is over; what follows belongs to the next message.
        case end
        /// The body breaks its coding.
        case malformed
    }

    private enum State: Equatable {
        case sizeStart, size, extensions, sizeLineFeed, data, dataEnd, dataLineFeed
        case trailerStart, trailerName, trailerValue, trailerLineFeed, endLineFeed, ended
    }

    /// Octets of one chunk's extensions.
    static let maximumExtensionBytes = 1024
    /// Octets of all extensions of a body.
    static let maximumExtensionTotal = 16_384

    private var state = State.sizeStart
    private var remaining = 0
    private var digits = 0
    private var extensionBytes = 0
    private var extensionTotal = 0
    private var trailerBytes = 0
    private var trailerFields = 0
    /// The lines of the trailers, with their line ends.
    private(set) var trailers: [UInt8] = []
    private var part = ExtensionPart.opening

    /// Gives the next piece of `input` from `index` on, and moves `index` behind it.
    mutating func next(_ input: Span<UInt8>, from index: inout Int) -> Piece {
        while index < input.count {
            if self.state == .data {
                let end = min(input.count, index &+ self.remaining)
                let range = index..<end
                self.remaining &-= range.count
                index = end
                if self.remaining == 0 { self.state = .dataEnd }
                return .data(range)
            }
            if self.state == .ended { return .end }
            guard self.take(input[index]) else { return .malformed }
            index &+= 1
        }
        return self.state == .ended ? .end : .more
    }

    /// Takes an octet that is no data; false if it may not stand here.
    private mutating func take(_ octet: UInt8) -> Bool {
        switch self.state {
        case .sizeStart, .size, .extensions: return self.takeSizeLine(octet)
        case .sizeLineFeed:
            guard octet == Octet.lineFeed else { return false }
            self.state = self.remaining == 0 ? .trailerStart : .data
        case .dataEnd:
            guard octet == Octet.carriageReturn else { return false }
            self.state = .dataLineFeed
        case .dataLineFeed:
            guard octet == Octet.lineFeed else { return false }
            self.state = .sizeStart
        case .trailerStart, .trailerName, .trailerValue, .trailerLineFeed: return self.takeTrailer(octet)
        case .endLineFeed:
            guard octet == Octet.lineFeed else { return false }
            self.state = .ended
        case .data, .ended: return false
        }
        return true
    }

    private mutating func takeSizeLine(_ octet: UInt8) -> Bool {
        if self.state == .sizeStart {
            guard let value = Octet.hexValue(octet) else { return false }
            (self.remaining, self.digits, self.extensionBytes) = (Int(value), 1, 0)
            self.state = .size
            return true
        }
        if octet == Octet.carriageReturn {
            guard self.state == .size || self.part.mayEnd else { return false }
            self.state = .sizeLineFeed
            return true
        }
        guard self.state == .size, let value = Octet.hexValue(octet) else { return self.takeExtension(octet) }
        self.digits += 1
        // 15 digits are below 2^60: no overflow is possible (X9).
        guard self.digits <= 15 else { return false }
        self.remaining = self.remaining << 4 | Int(value)
        return true
    }

    private mutating func takeExtension(_ octet: UInt8) -> Bool {
        self.extensionBytes += 1
        self.extensionTotal += 1
        guard self.extensionBytes <= Self.maximumExtensionBytes,
            self.extensionTotal <= Self.maximumExtensionTotal
        else { return false }
        if self.state == .size {
            // No whitespace before the extension: peers differ on it.
            self.state = .extensions
            self.part = .opening
            return octet == 0x3B
        }
        guard let next = self.part.after(octet) else { return false }
        self.part = next
        return true
    }

    /// Where in `;name=value` or `;name="value"` the last octet stood.
    private enum ExtensionPart: Equatable {
        case opening, name, equals, value, quoted, quotedEnd

        /// Whether the line may end here.
        var mayEnd: Bool { self == .name || self == .value || self == .quotedEnd }

        /// Where `octet` leads; nil if it may not stand here.
        func after(_ octet: UInt8) -> ExtensionPart? {
            let isToken = Octet.isToken(octet)
            switch self {
            case .opening: return isToken ? .name : nil
            case .name where octet == 0x3D: return .equals
            case .name, .value:
                if octet == 0x3B { return .opening }
                return isToken ? self : nil
            case .equals: return isToken ? .value : octet == 0x22 ? .quoted : nil
            case .quoted:
                if octet == 0x22 { return .quotedEnd }
                return isToken || octet == 0x3D || octet == 0x3B ? self : nil
            case .quotedEnd: return octet == 0x3B ? .opening : nil
            }
        }
    }

    private mutating func takeTrailer(_ octet: UInt8) -> Bool {
        self.trailerBytes += 1
        guard self.trailerBytes <= TrailerRules.maximumBytes else { return false }
        if self.state == .trailerStart, octet == Octet.carriageReturn {
            self.state = .endLineFeed
            return true
        }
        self.trailers.append(octet)
        switch self.state {
        case .trailerStart:
            self.trailerFields += 1
            self.state = .trailerName
            return Octet.isToken(octet) && self.trailerFields <= TrailerRules.maximumFields
        case .trailerName:
            if octet == Octet.colon {
                self.state = .trailerValue
                return true
            }
            return Octet.isToken(octet)
        case .trailerValue:
            if octet == Octet.carriageReturn {
                self.state = .trailerLineFeed
                return true
            }
            return Octet.isFieldValue(octet)
        default:
            self.state = .trailerStart
            return octet == Octet.lineFeed
        }
    }
}
