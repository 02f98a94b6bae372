// Own path: the public halves of the keys that sign in our name.
import Gateway
import Proxy

/// Answers `jwks` (RFC 7517 §5): whoever verifies what we signed asks here.
struct PublicKeysPath: Sendable {
    let services: AccessServices

    /// The path for the pipeline.
    var own: OwnPath {
        OwnPath(path: "\(services.authPrefix)/jwks", methods: [.get, .head]) { passage in serve(passage) }
    }

    private func serve(_ passage: Passage) -> Step {
        .answer(
            Answer(
                status: 200,
                fields: [
                    ("Content-Type", "application/json"),
                    // A key is published twice as long before it signs.
                    ("Cache-Control", "public, max-age=\(Int(SigningKeyRing.cacheSeconds))"),
                    ("Access-Control-Allow-Origin", "*"), ("X-Content-Type-Options", "nosniff"),
                ],
                body: services.signing.document(at: passage.now)
            )
        )
    }
}
