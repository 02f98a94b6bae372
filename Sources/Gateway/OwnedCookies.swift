// Cookies that plugins keep in browsers: no upstream sees them, none sets them.
package import Proxy

/// A plugin that keeps cookies of its own in browsers.
package protocol CookieOwner: Plugin {
    /// Whether a cookie of that name is one of its own; names count with their case.
    func owns(cookie name: Span<UInt8>) -> Bool
    /// Whether a cookie of that name is kept from upstreams, be it its own or not.
    func hides(cookie name: Span<UInt8>) -> Bool
}

extension CookieOwner {
    package func hides(cookie name: Span<UInt8>) -> Bool { owns(cookie: name) }
}

/// The cookies of all owners of a plan; kept from every upstream, whatever route a request takes (H6, K8).
package struct OwnedCookies: Sendable {
    private let owners: [any CookieOwner]

    /// Gathers the owners among `plugins`.
    init(_ plugins: [any Plugin]) {
        owners = plugins.compactMap { $0 as? any CookieOwner }
    }

    /// Takes owned cookies out of the `Cookie` field that the upstream gets.
    package func hide(_ passage: Passage) {
        guard !owners.isEmpty else { return }
        let request = passage.request
        guard let first = request.first(.cookie) else { return }
        let rest: [UInt8]?
        if request.count(of: .cookie) == 1 {
            rest = request.withValue(first) { without($0) }
        } else {
            rest = without(request.fields.strings(of: .cookie).joined(separator: "; ").utf8.span)
        }
        guard let rest else { return }
        guard !rest.isEmpty, (try? passage.upstream.set(.cookie, octets: rest.span)) != nil else {
            passage.upstream.remove(.cookie)
            return
        }
    }

    /// Drops an upstream's `Set-Cookie` that would overwrite an owned cookie.
    package func protect(_ head: inout ResponseHead) {
        guard !owners.isEmpty, head.first(.setCookie) != nil else { return }
        head.fields.remove { fields, range in
            guard fields.isNamed(range, .setCookie) else { return false }
            return fields.withValue(range) { value in
                isOwned(value, Self.name(value, 0..<value.count))
            }
        }
    }

    /// The field without owned cookies; nil if nothing has to go.
    func without(_ field: Span<UInt8>) -> [UInt8]? {
        var kept: [UInt8] = []
        var found = false
        var start = 0
        while start < field.count {
            let stop = field.place(of: UInt8(ascii: ";"), from: start)
            let pair = Self.trimmed(field, start..<stop)
            if isHidden(field, Self.name(field, pair)) {
                found = true
            } else if !pair.isEmpty {
                if !kept.isEmpty { kept.append(contentsOf: [UInt8(ascii: ";"), 0x20]) }
                for index in pair { kept.append(field[index]) }
            }
            start = stop + 1
        }
        return found ? kept : nil
    }

    private func isHidden(_ field: Span<UInt8>, _ name: Range<Int>) -> Bool {
        for owner in owners where owner.hides(cookie: field.extracting(name)) { return true }
        return false
    }

    private func isOwned(_ field: Span<UInt8>, _ name: Range<Int>) -> Bool {
        for owner in owners where owner.owns(cookie: field.extracting(name)) { return true }
        return false
    }

    /// What stands before the `=` in `range`, without spaces around it.
    private static func name(_ field: Span<UInt8>, _ range: Range<Int>) -> Range<Int> {
        var end = range.lowerBound
        while end < range.upperBound, field[end] != UInt8(ascii: "=") { end += 1 }
        return trimmed(field, range.lowerBound..<end)
    }

    private static func trimmed(_ field: Span<UInt8>, _ range: Range<Int>) -> Range<Int> {
        var (start, end) = (range.lowerBound, range.upperBound)
        while start < end, field[start] == 0x20 || field[start] == 0x09 { start += 1 }
        while start < end, field[end - 1] == 0x20 || field[end - 1] == 0x09 { end -= 1 }
        return start..<end
    }
}
