// The sessions of an instance together with what is remembered beside them.

/// Ends both, so that nothing brings back what was ended.
struct RememberedIndex: SessionIndex {
    let sessions: SessionStore
    let remembered: SessionStore

    func sessions(of owner: SessionOwner) async throws(StoreUnavailable) -> [ListedSession] {
        try await sessions.sessions(of: owner)
    }

    func end(_ ending: SessionEnding) async throws(StoreUnavailable) -> Int {
        // A session that is ended by its own name takes along what would bring it back.
        if let id = try await sessions.counterpart(of: ending.owner, beganBy: ending.before) {
            _ = try await remembered.end(id)
        }
        _ = try await remembered.end(ending)
        return try await sessions.end(ending)
    }
}

extension SessionStore {
    /// The id of what is remembered beside the session that an owner is; nil where the owner is no session of then.
    fileprivate func counterpart(
        of owner: OwnerKey,
        beganBy time: Double
    ) async throws(StoreUnavailable) -> String? {
        let key = folder + owner.text
        guard let record = try await vault.read(key), let session = opened(record, key, at: clock()),
            session.createdAt <= time
        else { return nil }
        return session.counterpart
    }
}
