// The plugin `tls-metadata-headers`: the upstream hears of the client's certificate.
import Cryptography
package import Gateway
import JSON
package import Proxy

/// Tells the upstream of the certificate that the client has shown; Kong's fields and defaults.
package final class TLSMetadataHeaders: Plugin {
    private struct Names {
        let (certificate, serial, issuer, subject, fingerprint):
            (
                FieldName, FieldName, FieldName, FieldName, FieldName
            )

        var all: [FieldName] { [certificate, serial, issuer, subject, fingerprint] }
    }

    private let names: Names
    private let injects: Bool
    package let warnings: [Diagnostic]

    /// The kind, for the list of all plugins.
    package static let kind = PluginKind(
        name: "tls-metadata-headers",
        order: .transform,
        schema: TLSMetadataHeaders.fields,
        mayBindConsumers: false,
        help: """
            Tells the upstream of the certificate that the client has shown. It asks for none by itself:
            `tls-handshake-modifier` and `mtls-auth` do. Whether anybody vouches for it is for `mtls-auth` to
            judge. Without a certificate the upstream gets no such field, from the client neither.
            """,
        make: { settings, scope throws(ConfigurationError) in try TLSMetadataHeaders(settings, scope) }
    )

    private static let fields: [FieldSchema] = [
        FieldSchema(
            "inject_client_cert_details",
            .boolean,
            default: false,
            help: "Whether anything is told; without it the plugin does nothing."
        ),
        FieldSchema(
            "client_cert_header_name",
            .string,
            default: "X-Client-Cert",
            help: "The field with the certificate: PEM, URL-encoded."
        ),
        FieldSchema(
            "client_serial_header_name",
            .string,
            default: "X-Client-Cert-Serial",
            help: "The field with its serial number, in hexadecimal."
        ),
        FieldSchema(
            "client_cert_issuer_dn_header_name",
            .string,
            default: "X-Client-Cert-Issuer-DN",
            help: "The field with the issuer's name (RFC 2253)."
        ),
        FieldSchema(
            "client_cert_subject_dn_header_name",
            .string,
            default: "X-Client-Cert-Subject-DN",
            help: "The field with the subject's name (RFC 2253)."
        ),
        FieldSchema(
            "client_cert_fingerprint_header_name",
            .string,
            default: "X-Client-Cert-Fingerprint",
            help: "The field with its SHA-1, in hexadecimal."
        ),
    ]

    init(_ settings: Settings, _ scope: PluginScope) throws(ConfigurationError) {
        names = Names(
            certificate: try Self.name("client_cert_header_name", settings),
            serial: try Self.name("client_serial_header_name", settings),
            issuer: try Self.name("client_cert_issuer_dn_header_name", settings),
            subject: try Self.name("client_cert_subject_dn_header_name", settings),
            fingerprint: try Self.name("client_cert_fingerprint_header_name", settings)
        )
        guard Set(names.all.map(\.description)).count == names.all.count else {
            throw ConfigurationError(at: scope.position, "tls-metadata-headers: two fields have one name")
        }
        injects = settings.flag("inject_client_cert_details")
        let idle = "tls-metadata-headers tells nothing; write inject_client_cert_details: true"
        warnings = injects ? [] : [Diagnostic(.warning, at: scope.position, idle)]
    }

    private static func name(
        _ field: String,
        _ settings: Settings
    ) throws(ConfigurationError) -> FieldName {
        let name = settings.string(field).flatMap { FieldName($0) }
        guard let name, !name.belongsToHop, name != .host, name != .cookie, name != .authorization else {
            throw settings.error(field, "expected the name of a header that may be passed on")
        }
        return name
    }

    package var emittedFields: [FieldName] { injects ? names.all : [] }

    package func request(_ passage: Passage) throws(Refusal) -> Step {
        guard injects, let client = passage.client.certificate else { return .proceed }
        let reading = try CertificateReading.of(client)
        let certificate = reading.certificate
        do throws(FieldEditError) {
            try passage.upstream.set(names.certificate, reading.escapedPEM)
            try passage.upstream.set(names.serial, certificate.serialNumber)
            try passage.upstream.set(names.issuer, certificate.issuer)
            try passage.upstream.set(names.subject, certificate.subject)
            try passage.upstream.set(names.fingerprint, certificate.fingerprint)
        } catch {
            throw .unsafeField
        }
        return .proceed
    }
}
