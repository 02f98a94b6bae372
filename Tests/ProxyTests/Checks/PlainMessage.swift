// Messages read the plain way: whole, line by line, with no tolerance; knows nothing of the codec.

/// A message as the proxy must write it.
struct PlainMessage {
    var firstLine: [UInt8] = []
    /// Names in lower case.
    var fields: [(name: String, value: [UInt8])] = []
    /// Where the head ends.
    var headEnd = 0

    /// Gives the values of that name.
    func values(_ name: String) -> [[UInt8]] {
        self.fields.filter { $0.name == name }.map(\.value)
    }

    /// Reads the head that begins at `start`; nil if its end is not there.
    static func head(_ octets: [UInt8], from start: Int) throws(Finding) -> PlainMessage? {
        var message = PlainMessage()
        var (lineStart, index) = (start, start)
        while index < octets.count {
            let octet = octets[index]
            try demand(octet != 0, "a NUL was written")
            guard octet == 0x0D || octet == 0x0A else {
                index += 1
                continue
            }
            try demand(octet == 0x0D, "a bare LF was written")
            guard index + 1 < octets.count else { return nil }
            try demand(octets[index + 1] == 0x0A, "a bare CR was written")
            let line = octets[lineStart..<index]
            index += 2
            lineStart = index
            if line.isEmpty {
                try demand(!message.firstLine.isEmpty, "a message without a first line was written")
                message.headEnd = index
                return message
            }
            try message.take(line)
        }
        return nil
    }

    private mutating func take(_ line: ArraySlice<UInt8>) throws(Finding) {
        guard !self.firstLine.isEmpty else {
            self.firstLine = Array(line)
            return
        }
        let name = line.prefix { $0 != 0x3A }
        try demand(name.count < line.count, "a line without a colon was written: \(shown(line))")
        try demand(
            !name.isEmpty && name.allSatisfy { $0 > 0x20 && $0 < 0x7F },
            "a name that is no token was written: \(shown(line))"
        )
        let value = line[(name.endIndex + 1)...].drop { $0 == 0x20 || $0 == 0x09 }
        self.fields.append((String(decoding: name, as: UTF8.self).lowercased(), Array(value)))
    }

    // MARK: Framing

    enum Framing: Equatable { case none, length(Int), chunked, open }

    /// How the body ends by the fields alone; at most one of both may stand there, once.
    func framing() throws(Finding) -> Framing {
        let (lengths, codings) = (self.values("content-length"), self.values("transfer-encoding"))
        try demand(lengths.count + codings.count <= 1, "two framings were written")
        if let coding = codings.first {
            try demand(coding == Array("chunked".utf8), "a coding was written: \(shown(coding))")
            return .chunked
        }
        guard let text = lengths.first else { return .open }
        let number = Int(String(decoding: text, as: UTF8.self))
        try demand(text.allSatisfy { (0x30...0x39).contains($0) }, "a length was written: \(shown(text))")
        guard let number else { throw Finding("a length was written: \(shown(text))") }
        return .length(number)
    }

    /// Reads a body; `end` is nil if it is not whole.
    static func body(
        _ octets: [UInt8],
        from start: Int,
        _ framing: Framing
    ) throws(Finding) -> (data: [UInt8], end: Int?) {
        switch framing {
        case .none: return ([], start)
        case .open: return (Array(octets[start...]), nil)
        case .length(let count):
            let end = min(octets.count, start + count)
            return (Array(octets[start..<end]), end == start + count ? end : nil)
        case .chunked:
            let (data, end) = PlainChunks.decode(Array(octets[start...]))
            switch end {
            case .malformed: throw Finding("a malformed chunk was written")
            case .more: return (data, nil)
            case .at(let count): return (data, start + count)
            }
        }
    }
}

/// A chunked body decoded the plain way: all of it at once, part by part.
struct PlainChunks {
    enum End: Equatable { case more, malformed, at(Int) }

    private let input: [UInt8]
    private var at = 0
    private var data: [UInt8] = []
    private var extensions = 0
    private var lines: [UInt8] = []

    private init(_ input: [UInt8]) { self.input = input }

    static func decode(_ input: [UInt8]) -> (data: [UInt8], end: End) {
        var chunks = PlainChunks(input)
        let end = chunks.run()
        return (chunks.data, end)
    }

    /// The lines of the trailers of a body that is whole.
    static func trailers(_ input: [UInt8]) -> [UInt8] {
        var chunks = PlainChunks(input)
        _ = chunks.run()
        return chunks.lines
    }

    private mutating func run() -> End {
        while true {
            let size: Int
            switch self.size() {
            case .success(let number): size = number
            case .failure(let stop): return stop.end
            }
            if let stop = self.extensionsOfChunk() ?? self.lineEnd() { return stop }
            guard size > 0 else { return self.trailers() }
            let end = min(self.input.count, self.at + size)
            self.data += self.input[self.at..<end]
            let isWhole = end == self.at + size
            self.at = end
            guard isWhole else { return .more }
            if let stop = self.lineEnd() { return stop }
        }
    }

    private struct Stop: Error { let end: End }

    private mutating func size() -> Result<Int, Stop> {
        let start = self.at
        var size = 0
        while self.at < self.input.count, let digit = Self.digit(self.input[self.at]) {
            guard self.at - start < 15 else { return .failure(Stop(end: .malformed)) }
            size = size * 16 + digit
            self.at += 1
        }
        guard self.at < self.input.count else { return .failure(Stop(end: .more)) }
        return self.at > start ? .success(size) : .failure(Stop(end: .malformed))
    }

    private static func digit(_ octet: UInt8) -> Int? {
        Character(UnicodeScalar(octet)).hexDigitValue
    }

    /// `;name`, `;name=value` or `;name="value"`, again and again; nil when the line's end is next.
    private mutating func extensionsOfChunk() -> End? {
        let start = self.at
        while self.at < self.input.count, self.input[self.at] == 0x3B {
            if let stop = self.takeExtension(1, from: start) ?? self.takeToken(from: start) { return stop }
            guard self.at < self.input.count, self.input[self.at] == 0x3D else { continue }
            if let stop = self.takeExtension(1, from: start) { return stop }
            guard self.at < self.input.count else { return .more }
            guard self.input[self.at] == 0x22 else {
                if let stop = self.takeToken(from: start) { return stop }
                continue
            }
            let text = self.input[(self.at + 1)...].prefix { Self.isToken($0) || $0 == 0x3D || $0 == 0x3B }
            if let stop = self.takeExtension(1 + text.count, from: start) { return stop }
            guard self.at < self.input.count else { return .more }
            guard self.input[self.at] == 0x22 else { return .malformed }
            if let stop = self.takeExtension(1, from: start) { return stop }
        }
        return nil
    }

    private mutating func takeToken(from start: Int) -> End? {
        let token = self.input[self.at...].prefix { Self.isToken($0) }
        guard !token.isEmpty else { return self.at < self.input.count ? .malformed : .more }
        return self.takeExtension(token.count, from: start)
    }

    /// Counts octets of extensions; the first that is too many is refused.
    private mutating func takeExtension(_ count: Int, from start: Int) -> End? {
        self.at += count
        self.extensions += count
        return self.at - start <= 1024 && self.extensions <= 16_384 ? nil : .malformed
    }

    private mutating func lineEnd() -> End? {
        for octet: UInt8 in [0x0D, 0x0A] {
            guard self.at < self.input.count else { return .more }
            guard self.input[self.at] == octet else { return .malformed }
            self.at += 1
        }
        return nil
    }

    private mutating func trailers() -> End {
        let start = self.at
        var count = 0
        func isFull() -> Bool { self.at - start >= 8192 }
        while self.at < self.input.count {
            guard self.input[self.at] != 0x0D else {
                guard !isFull() else { return .malformed }
                self.lines = Array(self.input[start..<self.at])
                return self.lineEnd() ?? .at(self.at)
            }
            count += 1
            guard count <= 100 else { return .malformed }
            let nameStart = self.at
            while self.at < self.input.count, Self.isToken(self.input[self.at]), !isFull() { self.at += 1 }
            guard self.at < self.input.count else { return .more }
            guard self.at > nameStart, self.input[self.at] == 0x3A else { return .malformed }
            while self.at < self.input.count, Self.isValue(self.input[self.at]), !isFull() { self.at += 1 }
            guard self.at < self.input.count else { return .more }
            for octet: UInt8 in [0x0D, 0x0A] {
                guard self.at < self.input.count else { return .more }
                guard self.input[self.at] == octet, !isFull() else { return .malformed }
                self.at += 1
            }
        }
        return .more
    }

    private static func isValue(_ octet: UInt8) -> Bool { octet == 9 || octet >= 0x20 && octet != 0x7F }

    private static func isToken(_ octet: UInt8) -> Bool {
        let others = Array("!#$%&'*+-.^_`|~".utf8)
        return (0x30...0x39).contains(octet) || (0x41...0x5A).contains(octet)
            || (0x61...0x7A).contains(octet) || others.contains(octet)
    }
}
