// Looks after the folder of the keys that sign: a rotation is noticed without a reload.
import Access
import Foundation
import Gateway
import Logging

/// Takes the signing keys anew when their folder has changed; what cannot be read leaves the old ones in force.
struct SigningKeyWatch: Sendable {
    /// How often it looks, in seconds: far less than a key is published before it signs.
    private static let seconds = 10.0

    let keys: SigningKeys
    let settings: ProgramSettings
    let logger: Logger

    /// Looks until its task is cancelled.
    func run() async {
        var lastError: String?
        while !Task.isCancelled {
            do { try await Task.sleep(for: .seconds(Self.seconds)) } catch { return }
            do throws(KeyFolderError) {
                // Other than at a start or a reload no key is made: an emptied folder is somebody's doing.
                guard let ring = try SigningKeyRing.list(self.settings.keysDirectory) else {
                    throw .inaccessible(self.settings.keysDirectory)
                }
                lastError = nil
                if self.keys.take(ring) { self.tell() }
            } catch {
                if "\(error)" != lastError {
                    self.logger.error("signing keys: \(error); the ones before still sign")
                }
                lastError = "\(error)"
            }
        }
    }

    private func tell() {
        let states = self.keys.current.states(at: wallClock())
        let ids = states.filter { $0.state != .over }.map(\.key.id).joined(separator: " ")
        self.logger.notice("the signing keys have changed", metadata: ["published": "\(ids)"])
    }

    /// Adds how many keys are published, and how old the one is that signs.
    func add(to snapshot: inout MetricsSnapshot) {
        let now = wallClock()
        let ring = self.keys.current
        snapshot.set(MetricKey("gatehouse_signing_keys"), to: Double(ring.published(at: now).count))
        for (key, state) in ring.states(at: now) where state == .signs {
            snapshot.set(MetricKey("gatehouse_signing_key_age_seconds"), to: now - key.createdAt)
        }
    }
}
