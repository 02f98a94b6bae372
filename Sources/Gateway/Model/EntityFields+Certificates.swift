// The fields of certificates and their names.

extension EntityFields {
    /// A certificate without its nested names.
    package static let certificate: [FieldSchema] =
        Self.identity + [
            FieldSchema(
                "cert",
                .string,
                required: true,
                help: "The certificate in PEM, followed by what leads to its authority."
            ),
            FieldSchema("key", .string, required: true, secret: true, help: "Its private key in PEM."),
            FieldSchema("cert_alt", .string, help: "A certificate with another kind of key (RSA, ECDSA)."),
            FieldSchema("key_alt", .string, secret: true, help: "Its private key."),
            FieldSchema(
                "snis",
                .list(.any),
                help: "The names that it answers to: `{name: …}` or the bare name."
            ),
        ]

    /// A name that stands at the outermost level.
    package static let sni: [FieldSchema] =
        Self.identity + [
            FieldSchema(
                "name",
                .string,
                required: true,
                help: "A host name; `*.example.com` or `example.*` too; `*` for whatever no other name fits."
            ),
            FieldSchema("certificate", Self.reference, required: true, help: "Its certificate, by id."),
        ]

    /// Somebody whose signature is believed.
    package static let authority: [FieldSchema] =
        Self.identity + [
            FieldSchema("cert", .string, required: true, help: "The certificate in PEM."),
            FieldSchema("cert_digest", .string, status: .inert, help: "Written by exports; ignored."),
        ]

    /// A name in certificates that stands for a consumer.
    package static let certificateCredential: [FieldSchema] =
        Self.identity + [
            FieldSchema(
                "subject_name",
                .string,
                required: true,
                help: "An alternative name (DNS, e-mail, URI) or a common name of the certificate."
            ),
            FieldSchema(
                "ca_certificate",
                Self.reference,
                help: "Whose signature has to lead to it, by id; without it any that the plugin believes."
            ),
        ]
}
