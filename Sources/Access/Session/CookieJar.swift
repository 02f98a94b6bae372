// The cookies of a request, found without taking the field apart.
import Proxy

/// Where the value of one cookie stands, and how often its name occurs.
struct CookieSighting: Equatable {
    /// How many cookies have the name; more than one is trusted by nobody (security row K4).
    var count = 0
    /// The value's place in the field that was searched; of the first one.
    var value = 0..<0
}

/// Reads `Cookie` fields (RFC 6265 §4.2, as browsers write them).
enum CookieJar {
    private static let semicolon = UInt8(ascii: ";")
    private static let equals = UInt8(ascii: "=")

    /// Calls `body` with the places of each cookie's name and value; spaces around them are left out.
    ///
    /// A cookie without a name is passed over (K5).
    @inline(__always)
    static func forEach(in field: Span<UInt8>, _ body: (Range<Int>, Range<Int>) -> Void) {
        var start = 0
        let end = field.count
        while start < end {
            var sign = start
            while sign < end, field[sign] != equals, field[sign] != semicolon { sign &+= 1 }
            let stop = field.place(of: semicolon, from: sign)
            if sign < stop {
                let name = trimmed(field, start..<sign)
                if !name.isEmpty { body(name, trimmed(field, (sign + 1)..<stop)) }
            }
            start = stop &+ 1
        }
    }

    /// Finds the cookie called `name`, whose case counts.
    static func find(_ name: [UInt8], in field: Span<UInt8>) -> CookieSighting {
        var sighting = CookieSighting()
        forEach(in: field) { place, value in
            guard matches(field, place, name) else { return }
            if sighting.count == 0 { sighting.value = value }
            sighting.count += 1
        }
        return sighting
    }

    /// The names of all cookies that begin with `prefix`.
    static func names(beginningWith prefix: [UInt8], in field: Span<UInt8>) -> [String] {
        var names: [String] = []
        forEach(in: field) { place, _ in
            guard place.count >= prefix.count,
                matches(field, place.lowerBound..<(place.lowerBound + prefix.count), prefix)
            else { return }
            names.append(text(field, place))
        }
        return names
    }

    /// The octets in `range` as text.
    static func text(_ field: Span<UInt8>, _ range: Range<Int>) -> String {
        var octets: [UInt8] = []
        octets.reserveCapacity(range.count)
        for index in range { octets.append(field[index]) }
        return String(decoding: octets, as: UTF8.self)
    }

    @inline(__always)
    static func matches(_ field: Span<UInt8>, _ range: Range<Int>, _ name: [UInt8]) -> Bool {
        guard range.count == name.count else { return false }
        var index = range.lowerBound
        for octet in name {
            guard field[index] == octet else { return false }
            index &+= 1
        }
        return true
    }

    @inline(__always)
    private static func trimmed(_ field: Span<UInt8>, _ range: Range<Int>) -> Range<Int> {
        var (start, end) = (range.lowerBound, range.upperBound)
        while start < end, field[start] == 0x20 || field[start] == 0x09 { start &+= 1 }
        while start < end, field[end - 1] == 0x20 || field[end - 1] == 0x09 { end &-= 1 }
        return start..<end
    }
}
