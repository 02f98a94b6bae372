// Looking for an octet, many at a time.

extension Span where Element == UInt8 {
    /// Gives the place of the first `octet` from `start` on, or the end of the span.
    ///
    /// Whole blocks are asked with one smallest value each, which the compiler makes a few vector instructions of; it
    /// matters where fields hold tokens and cookies.
    package func place(of octet: UInt8, from start: Int) -> Int {
        var index = start
        while index &+ 32 <= self.count {
            let block = self.extracting(index..<(index &+ 32))
            var least: UInt8 = 0xFF
            for offset in 0..<32 { least = Swift.min(least, block[offset] ^ octet) }
            guard least > 0 else { break }
            index &+= 32
        }
        while index < self.count, self[index] != octet { index &+= 1 }
        return index
    }

    /// Whether all octets are visible ASCII.
    package var isVisible: Bool {
        var index = 0
        while index &+ 64 <= self.count {
            let block = self.extracting(index..<(index &+ 64))
            var (least, most): (UInt8, UInt8) = (0xFF, 0)
            for offset in 0..<64 {
                least = Swift.min(least, block[offset])
                most = Swift.max(most, block[offset])
            }
            guard least > 0x20, most < 0x7F else { return false }
            index &+= 64
        }
        while index < self.count {
            guard self[index] > 0x20, self[index] < 0x7F else { return false }
            index &+= 1
        }
        return true
    }

    /// Gives the place of the first octet from `start` on that may not stand in a field's value, or the end of the span.
    ///
    /// RFC 9110 §5.5.
    func endOfFieldValue(from start: Int) -> Int {
        var index = start
        while true {
            // What a block comes to in the end is dear: long values are looked at in long ones.
            while index &+ 64 <= self.count {
                let block = self.extracting(index..<(index &+ 64))
                var (least, leastFromDelete): (UInt8, UInt8) = (0xFF, 0xFF)
                for offset in 0..<64 {
                    least = Swift.min(least, block[offset])
                    leastFromDelete = Swift.min(leastFromDelete, block[offset] ^ 0x7F)
                }
                guard least >= 0x20, leastFromDelete > 0 else { break }
                index &+= 64
            }
            while index &+ 16 <= self.count {
                let block = self.extracting(index..<(index &+ 16))
                var (least, leastFromDelete): (UInt8, UInt8) = (0xFF, 0xFF)
                for offset in 0..<16 {
                    least = Swift.min(least, block[offset])
                    leastFromDelete = Swift.min(leastFromDelete, block[offset] ^ 0x7F)
                }
                guard least >= 0x20, leastFromDelete > 0 else { break }
                index &+= 16
            }
            let blockEnd = Swift.min(self.count, index &+ 16)
            while index < blockEnd, Octet.isFieldValue(self[index]) { index &+= 1 }
            // A tab is the one control octet that may stand there: behind it, blocks go on.
            guard index == blockEnd, index < self.count else { return index }
        }
    }
}
