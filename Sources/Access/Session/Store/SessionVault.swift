// Where sealed sessions lie outside the browser: what any store has to be able to do.
package import Store
import Synchronization

/// A record as a vault has it.
package struct VaultRecord: Sendable, Equatable {
    /// What was put there.
    package var octets: [UInt8]
    /// The fencing number: 1 at first, one more with each record that takes its place.
    package var version: Int64
    /// Seconds until it is gone if nobody touches it.
    package var remainingSeconds: Double

    /// A record.
    package init(octets: [UInt8], version: Int64, remainingSeconds: Double) {
        self.octets = octets
        self.version = version
        self.remainingSeconds = remainingSeconds
    }
}

/// The first record under a key.
package struct FirstRecord: Sendable, Equatable {
    /// What is put there.
    package var octets: [UInt8]
    /// Whose it is.
    package var owners: [String]
    /// Seconds since 1970; what `removeAll` compares.
    package var createdAt: Double
    /// Seconds until it is gone if nobody touches it.
    package var seconds: Double
    /// Seconds that any record of its kind lasts at most: so long its owners' lists have to name it.
    package var longestSeconds: Double

    /// A record.
    package init(
        octets: [UInt8],
        owners: [String],
        createdAt: Double,
        seconds: Double,
        longestSeconds: Double
    ) {
        self.octets = octets
        self.owners = owners
        self.createdAt = createdAt
        self.seconds = seconds
        self.longestSeconds = longestSeconds
    }
}

/// What came of putting a record in another's place.
package enum Replacement: Sendable, Equatable {
    /// It is there, under this number.
    case written(version: Int64)
    /// Another one was put there meanwhile: nothing was written.
    case newer
    /// There is none any more, and what was ended is not begun again: nothing was written (security row S4).
    case gone
}

/// A store of sealed sessions that several programs share.
///
/// Keys and owners are names without meaning to it; a name begins with its folder, so that kinds of sessions do
/// not meet. Each call is one step that nothing comes between. After `StoreUnavailable` it may have been done or not.
package protocol SessionVault: Sendable {
    /// Puts a first record there, and notes it for its owners.
    func create(_ key: String, _ record: FirstRecord) async throws(StoreUnavailable)
    /// What is there.
    func read(_ key: String) async throws(StoreUnavailable) -> VaultRecord?
    /// Puts a record in the place of the one with that number, and of no other.
    func replace(
        _ key: String,
        _ octets: [UInt8],
        after version: Int64,
        seconds: Double
    ) async throws(StoreUnavailable) -> Replacement
    /// Lets the record be there for so long from now on.
    func touch(_ key: String, seconds: Double) async throws(StoreUnavailable)
    /// Removes the record, if it is the one with that number; nil removes any. False where a newer one stays.
    func remove(_ key: String, after version: Int64?) async throws(StoreUnavailable) -> Bool
    /// Takes a lease that nobody else has; taken again by its own holder it is his still.
    func lease(_ key: String, holder: String, seconds: Double) async throws(StoreUnavailable) -> Bool
    /// Gives a lease back, if it is still the holder's.
    func giveBack(_ key: String, holder: String) async throws(StoreUnavailable)
    /// The keys that were noted for an owner, and may be there still.
    func keys(of owner: String) async throws(StoreUnavailable) -> [String]
    /// Removes all records of an owner that were created by then; how many there were.
    func removeAll(of owner: String, createdBy time: Double) async throws(StoreUnavailable) -> Int
    /// Whether it is known that it cannot be asked.
    var isDown: Bool { get }
    /// Seconds since it could be asked again; nil while it cannot.
    var upSeconds: Double? { get }
}

/// What settings say of the place where sessions live.
package enum SessionStorage: Sendable, Hashable {
    /// In the browser's cookie alone.
    case cookie
    /// In the Redis that the program's setting names, or else in Kong's usual place.
    case usualRedis
    /// In Redis, here.
    case redis(RedisAddress)
}

/// The vaults of all instances: one for equal addresses, and they outlive plans.
package final class VaultDirectory: Sendable {
    /// Makes a vault; nothing is connected by that alone.
    package typealias Maker = @Sendable (RedisAddress) throws(RedisAddressError) -> any SessionVault

    private let make: Maker
    private let vaults = Mutex<[RedisAddress: any SessionVault]>([:])

    /// A directory that makes its vaults so.
    package init(_ make: @escaping Maker) { self.make = make }

    /// The vault at an address.
    package func vault(_ address: RedisAddress) throws(RedisAddressError) -> any SessionVault {
        if let known = vaults.withLock({ $0[address] }) { return known }
        let made = try make(address)
        return vaults.withLock { vaults in
            if let known = vaults[address] { return known }
            vaults[address] = made
            return made
        }
    }
}
