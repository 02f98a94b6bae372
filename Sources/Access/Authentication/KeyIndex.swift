// All consumers' keys, as keyed hashes.
import Cryptography
import Gateway

/// Finds who owns a key; the keys themselves are not kept.
final class KeyIndex: Sendable {
    /// A key's owner.
    struct Owner: Sendable {
        let consumer: Consumer
        let credentialID: String
        fileprivate let code: [UInt8]
    }

    /// The machine has no randomness, or libcrypto no memory.
    struct Failure: Error {}

    private let hash: HMAC
    private let owners: [[UInt8]: Owner]

    /// Hashes every key under a key of our own, drawn anew for each plan.
    init(_ directory: ConsumerDirectory) throws(Failure) {
        do throws(CryptoError) {
            let hash = try HMAC(.sha256, key: Secret.random(32))
            var owners: [[UInt8]: Owner] = [:]
            for consumer in directory.all {
                for credential in consumer.keys {
                    let code = try hash.code(for: Array(credential.key.utf8))
                    owners[code] = Owner(consumer: consumer, credentialID: credential.id, code: code)
                }
            }
            self.hash = hash
            self.owners = owners
        } catch {
            throw Failure()
        }
    }

    /// The owner of a key, if it has one.
    ///
    /// What is looked up is a code under a key that nobody knows, so the look-up's time tells nothing of the
    /// keys; the codes are compared in constant time all the same (J12).
    func owner(of key: [UInt8]) throws(Failure) -> Owner? {
        let code: [UInt8]
        do throws(CryptoError) {
            code = try self.hash.code(for: key)
        } catch {
            throw Failure()
        }
        guard let owner = self.owners[code], equalInConstantTime(owner.code.span, code.span) else {
            return nil
        }
        return owner
    }
}
