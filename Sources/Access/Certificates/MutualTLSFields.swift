// The fields of `mtls-auth`: Kong's names and defaults.
import Gateway
import JSON

/// What may be written for `mtls-auth`.
enum MutualTLSFields {
    static let all: [FieldSchema] =
        [
            FieldSchema(
                "ca_certificates",
                .list(.string),
                required: true,
                help: "Whose signatures are believed: `ca_certificates`, by id."
            ),
            FieldSchema(
                "allow_partial_chain",
                .boolean,
                default: false,
                help: "Whether a chain may end with one of them that has another authority above it."
            ),
            FieldSchema(
                "skip_consumer_lookup",
                .boolean,
                default: false,
                help: "Whether a proven certificate is enough; its name is then the authenticated group."
            ),
            FieldSchema(
                "authenticated_group_by",
                .string,
                default: "CN",
                oneOf: ["CN", "DN"],
                help: "Which name that is: the common name, or the whole distinguished name."
            ),
            FieldSchema(
                "consumer_by",
                .list(.string),
                default: ["username", "custom_id"],
                oneOf: ["username", "custom_id"],
                help: "Which fields of consumers are compared with the certificate's names."
            ),
            FieldSchema(
                "default_consumer",
                .string,
                help: "The consumer, by id or username, for a proven certificate that is nobody's."
            ),
            FieldSchema(
                "anonymous",
                .string,
                help: "The consumer, by id or username, that stands in where nothing is proven."
            ),
            FieldSchema(
                "cache_ttl",
                .number,
                default: 60,
                range: 0...86_400,
                help:
                    "Seconds for which a verdict holds on its connection, and never beyond the certificates."
            ),
            FieldSchema(
                "revocation_check_mode",
                .string,
                default: "IGNORE_CA_ERROR",
                oneOf: ["SKIP", "IGNORE_CA_ERROR", "STRICT"],
                help: "`SKIP` has to be written: revocation (OCSP, CRL) is not served yet."
            ),
            FieldSchema("send_ca_dn", .boolean, default: false, status: .notYet),
            FieldSchema("http_timeout", .number, default: 30_000, status: .inert, help: "Of revocation."),
            FieldSchema("cert_cache_ttl", .number, default: 60_000, status: .inert, help: "Of revocation."),
            FieldSchema("http_proxy_host", .string, status: .inert, help: "Of revocation."),
            FieldSchema("http_proxy_port", .integer, status: .inert, help: "Of revocation."),
            FieldSchema("https_proxy_host", .string, status: .inert, help: "Of revocation."),
            FieldSchema("https_proxy_port", .integer, status: .inert, help: "Of revocation."),
            FieldSchema("ssl_verify", .boolean, status: .inert, help: "Of revocation."),
            FieldSchema("san_dirname_matcher", .any, status: .notYet),
        ] + SignedIdentityChoice.consumerFields
}
