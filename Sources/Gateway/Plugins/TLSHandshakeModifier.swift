// Asks clients for a certificate.
package import JSON
import Proxy

/// The plugin `tls-handshake-modifier`: Kong's fields and defaults.
package final class TLSHandshakeModifier: Plugin {
    package let asksForCertificate = true

    /// The kind, for the list of all plugins.
    package static let kind = PluginKind(
        name: "tls-handshake-modifier",
        order: .mark,
        schema: [
            FieldSchema(
                "tls_client_certificate",
                .string,
                default: "REQUEST",
                oneOf: ["REQUEST"],
                help: "What the handshake does: it asks for a certificate, and takes any or none."
            )
        ],
        mayBindConsumers: false,
        help: """
            Asks clients for a certificate, for other plugins to see. Handshakes ask for the names in the
            `hosts` of its routes, and for every name where a route has none. The client proves that it holds
            the certificate's key; who vouches for it is not looked at.
            """,
        make: { _, _ in TLSHandshakeModifier() }
    )

    package func request(_ passage: Passage) throws(Refusal) -> Step { .proceed }

    package func explain(_ passage: Passage, claims: JSONValue?) -> PluginVerdict {
        PluginVerdict(.passes)
    }
}
