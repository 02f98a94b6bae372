// A set of keys: what can be used is kept, what cannot is named and left out.

package import JSON

/// Why a JSON value is no set of keys.
package enum JWKSetError: Error, Sendable, Equatable {
    /// Not an object with an array `keys` (RFC 7517 §5).
    case malformed
    /// More keys than anyone needs (J11).
    case tooManyKeys(limit: Int)
    /// The text is no JSON by our rules.
    case json(JSONError)
}

/// The keys of an issuer, or of the operator (RFC 7517 §5).
package struct JWKSet: Sendable {
    /// A key that was left out: its place in the set, and why.
    ///
    /// Foreign kinds of key are not listed.
    package struct Rejected: Sendable, Equatable {
        /// Its place in the set, from 0.
        package let index: Int
        /// Why it was left out.
        package let error: JWKError
    }

    /// The most keys a set may have.
    package static let maximumKeys = 1024

    /// The keys that can be used, in the order of the set.
    package let keys: [JWK]
    /// The keys that cannot; an operator's file should have none.
    package let rejected: [Rejected]
    private let places: [String: [Int]]
    /// How each key stands to every algorithm.
    let fits: [KeySelection.Fits]

    /// A set of keys made here.
    package init(_ keys: [JWK]) {
        self.init(keys, rejected: [])
    }

    private init(_ keys: [JWK], rejected: [Rejected]) {
        self.keys = keys
        self.rejected = rejected
        fits = keys.map { KeySelection.Fits($0) }
        var places: [String: [Int]] = [:]
        for (index, key) in keys.enumerated() {
            if let kid = key.kid { places[kid, default: []].append(index) }
        }
        self.places = places
    }

    /// A set without keys.
    package static let empty = JWKSet([])

    /// Reads a set; one bad key leaves the others usable (J11).
    package init(parsing value: JSONValue, from source: KeySource) throws(JWKSetError) {
        // An operator may write one key where a set is wanted.
        let single = source == .configuration && value["kty"]?.string != nil ? [value] : nil
        guard let values = value["keys"]?.array ?? single else { throw .malformed }
        guard values.count <= Self.maximumKeys else { throw .tooManyKeys(limit: Self.maximumKeys) }
        var keys: [JWK] = []
        var rejected: [Rejected] = []
        for (index, value) in values.enumerated() {
            do {
                keys.append(try JWK(parsing: value, from: source))
            } catch .foreign {
                continue
            } catch {
                rejected.append(Rejected(index: index, error: error))
            }
        }
        self.init(keys, rejected: rejected)
    }

    /// Reads a set from text, at most one mebibyte.
    package init(parsing bytes: [UInt8], from source: KeySource) throws(JWKSetError) {
        let value: JSONValue
        do { value = try JSONValue(parsing: bytes) } catch { throw .json(error) }
        try self.init(parsing: value, from: source)
    }

    /// Says whether no key of the set can be used.
    package var isEmpty: Bool { keys.isEmpty }

    /// Says whether a key has this name.
    package func contains(kid: String) -> Bool {
        !named(kid).isEmpty
    }

    /// The keys of this name, byte for byte; a set should have one, and may have more.
    package func named(_ kid: String) -> [JWK] {
        places(of: kid).map { keys[$0] }
    }

    /// Where the keys of this name are; to a table, canonically equal names are one, so each is looked at.
    func places(of kid: String) -> [Int] {
        guard let places = places[kid] else { return [] }
        if places.count == 1, keys[places[0]].kid?.isIdentical(toUTF8Of: kid) == true { return places }
        guard !places.allSatisfy({ keys[$0].kid?.isIdentical(toUTF8Of: kid) ?? false }) else { return places }
        return places.filter { keys[$0].kid?.isIdentical(toUTF8Of: kid) ?? false }
    }

    /// This set and the keys of another after its own.
    package func adding(_ other: JWKSet) -> JWKSet {
        JWKSet(keys + other.keys, rejected: rejected + other.rejected)
    }
}
