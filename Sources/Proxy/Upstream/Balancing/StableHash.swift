// A number for a text: the same in every worker, program and version.

/// FNV-1a with a last mixing; spreads evenly and keeps no secret.
package struct StableHash: Sendable {
    private var state: UInt64 = 0xCBF2_9CE4_8422_2325

    /// A hash of nothing yet.
    package init() {}

    /// A hash of these octets.
    package init(_ octets: some Sequence<UInt8>) { self.add(octets) }

    /// Adds octets.
    package mutating func add(_ octets: some Sequence<UInt8>) {
        for octet in octets { self.state = (self.state ^ UInt64(octet)) &* 0x100_0000_01B3 }
    }

    /// The number of all that was added.
    package var number: UInt64 { Self.mixed(self.state) }

    /// Spreads whatever differs over all bits.
    static func mixed(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
