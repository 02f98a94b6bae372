// Fetches an issuer's metadata: once at a time, and with a pause after a failure.
import Synchronization

/// An issuer's metadata, as it was last discovered.
final class Discovery: Sendable {
    /// The time for one attempt: a login that waits for it must end with a page soon.
    static let attemptSeconds = 4.0
    /// The longest pause after failures: an issuer that is back must be noticed.
    static let maximumPauseSeconds = 5.0

    private struct State: Sendable {
        var metadata: ProviderMetadata?
        var takenAt = 0.0
        var backoff: Backoff
        var lastError: OIDCError?
        var flight: Task<Result<ProviderMetadata, OIDCError>, Never>?
    }

    private let line: IssuerLine
    private let state: Mutex<State>

    init(_ line: IssuerLine) {
        self.line = line
        var state = State(
            backoff: Backoff(limit: min(line.settings.rediscoverySeconds, Self.maximumPauseSeconds))
        )
        if line.settings.usesPseudoIssuer { state.metadata = ProviderMetadata(pseudo: line.settings) }
        self.state = Mutex(state)
    }

    /// The metadata that is known, without asking.
    var metadata: ProviderMetadata? { self.state.withLock { $0.metadata } }

    /// What is to be done for a caller.
    private enum Way: Sendable {
        case known(ProviderMetadata)
        case wait(Task<Result<ProviderMetadata, OIDCError>, Never>)
        case refuse(OIDCError)
    }

    /// Metadata that was seen within `seconds`, asked for anew if need be.
    ///
    /// Callers at the same time share one attempt; within the pause after a failed one they get its error.
    func ready(within seconds: Double) async throws(OIDCError) -> ProviderMetadata {
        let now = self.line.clock()
        let way: Way = self.state.withLock { state in
            if let metadata = state.metadata {
                let age = now - state.takenAt
                if self.line.settings.usesPseudoIssuer || seconds == .infinity || (0...seconds).contains(age)
                {
                    return .known(metadata)
                }
            }
            if let flight = state.flight { return .wait(flight) }
            if let error = state.lastError, !state.backoff.mayTry(at: now) { return .refuse(error) }
            let flight = Task { await self.attempt() }
            state.flight = flight
            return .wait(flight)
        }
        switch way {
        case .known(let metadata): return metadata
        case .refuse(let error): throw error
        case .wait(let flight): return try await flight.value.get()
        }
    }

    private func attempt() async -> Result<ProviderMetadata, OIDCError> {
        let result = await self.discover()
        let now = self.line.clock()
        self.state.withLock { state in
            state.flight = nil
            switch result {
            case .success(let metadata):
                state.metadata = metadata
                state.takenAt = now
                state.lastError = nil
                state.backoff.succeeded()
            case .failure(let error):
                state.lastError = error
                state.backoff.failed(at: now)
            }
        }
        return result
    }

    private func discover() async -> Result<ProviderMetadata, OIDCError> {
        let settings = self.line.settings
        do throws(OIDCError) {
            let (document, _) = try await self.line.document(
                settings.discoveryURL,
                fields: settings.discoveryFields.map { ($0.name, $0.value) },
                for: .discovery,
                within: Self.attemptSeconds
            )
            let metadata = try ProviderMetadata(document, for: settings)
            self.line.report(.discovery, nil)
            return .success(metadata)
        } catch {
            self.line.report(.discovery, error)
            return .failure(error)
        }
    }
}
