// Fields of openid-connect: claims that decide; what others are told.
import Gateway
import JSON

extension OpenIDConnectFields {
    /// Fields about claims that decide.
    static let claims: [FieldSchema] = [
        field(
            "audience_claim",
            .list(.string),
            default: ["aud"],
            "Path of the claim that holds the audiences."
        ),
        field(
            "audience_required",
            .list(.string),
            "Audiences, one of which a token must be for; [] asks for none."
        ),
        field(
            "authenticated_groups_claim",
            .list(.string),
            "Path of the claim that becomes the groups for acl and X-Authenticated-Groups."
        ),
        field(
            "by_username_ignore_case",
            .boolean,
            default: false,
            "Whether usernames are compared without case."
        ),
        field("claims_forbidden", .list(.string), "Claims that a token must not have."),
        field(
            "consumer_by",
            .list(.string),
            default: ["custom_id", "username"],
            oneOf: ["custom_id", "id", "username"],
            "Which fields of a consumer are compared."
        ),
        field(
            "consumer_claims",
            .list(.list(.string)),
            "Paths of claims that name a consumer; the first that finds one wins."
        ),
        field(
            "consumer_groups_claim",
            .list(.string),
            status: .notYet,
            "Path of the claim that names consumer groups."
        ),
        field(
            "consumer_groups_optional",
            .boolean,
            default: false,
            status: .notYet,
            "Whether it is fine to find no consumer group."
        ),
        field("consumer_optional", .boolean, default: false, "Whether it is fine to find no consumer."),
        field(
            "credential_claim",
            .list(.string),
            default: ["sub"],
            "Path of the claim that becomes X-Credential-Identifier."
        ),
        field("domains", .list(.string), "Values, one of which the hd claim must have."),
        field(
            "groups_claim",
            .list(.string),
            default: ["groups"],
            "Path of the claim that holds the groups."
        ),
        field(
            "groups_required",
            .list(.string),
            "Groups, one of which must be there; words of an item must all be there."
        ),
        field("roles_claim", .list(.string), default: ["roles"], "Path of the claim that holds the roles."),
        field(
            "roles_required",
            .list(.string),
            "Roles, one of which must be there; words of an item must all be there."
        ),
        field(
            "scopes_claim",
            .list(.string),
            default: ["scope"],
            "Path of the claim that holds the scopes."
        ),
        field(
            "scopes_required",
            .list(.string),
            "Scopes, one of which must be there; words of an item must all be there."
        ),
    ]

    /// Fields about what others are told.
    static let headers: [FieldSchema] = [
        field(
            "downstream_access_token_header",
            .string,
            "Field that carries the access token to the client."
        ),
        field(
            "downstream_access_token_jwk_header",
            .string,
            status: .notYet,
            "Another field for the client."
        ),
        field(
            "downstream_headers",
            .list(.record(headerFields)),
            "Fields for the client, each with the path of its claim."
        ),
        field("downstream_headers_claims", .list(.string), "Top-level claims to send to the client."),
        field("downstream_headers_names", .list(.string), "Fields for those claims, in the same order."),
        field("downstream_id_token_header", .string, "Field that carries the ID token to the client."),
        field("downstream_id_token_jwk_header", .string, status: .notYet, "Another field for the client."),
        field(
            "downstream_introspection_header",
            .string,
            "Field that carries introspection's answer to the client (base64 of its JSON)."
        ),
        field(
            "downstream_introspection_jwt_header",
            .string,
            "Field that carries introspection's signed answer to the client."
        ),
        field(
            "downstream_refresh_token_header",
            .string,
            status: .notYet,
            "Field that carries the refresh token to the client."
        ),
        field(
            "downstream_session_id_header",
            .string,
            "Field that carries the session's identifier to the client."
        ),
        field(
            "downstream_user_info_header",
            .string,
            "Field that carries userinfo to the client (base64 of its JSON)."
        ),
        field("downstream_user_info_jwt_header", .string, status: .notYet, "Another field for the client."),
        field(
            "upstream_access_token_header",
            .string,
            default: "authorization:bearer",
            "Field that carries the access token upstream; `:bearer` adds the scheme."
        ),
        field(
            "upstream_access_token_jwk_header",
            .string,
            status: .notYet,
            "Another field for the upstream."
        ),
        field(
            "upstream_headers",
            .list(.record(headerFields)),
            "Fields for the upstream, each with the path of its claim."
        ),
        field("upstream_headers_claims", .list(.string), "Top-level claims to send upstream."),
        field("upstream_headers_names", .list(.string), "Fields for those claims, in the same order."),
        field("upstream_id_token_header", .string, "Field that carries the ID token upstream."),
        field("upstream_id_token_jwk_header", .string, status: .notYet, "Another field for the upstream."),
        field(
            "upstream_identity_audience",
            .list(.string),
            "Ours: whom the signed identity is for; by default the name of the service that the request goes to."
        ),
        field(
            "upstream_identity_claims",
            .list(.string),
            "Ours: top-level claims that the signed identity has besides `sub` and `idp` (the issuer that vouches)."
        ),
        field(
            "upstream_identity_header",
            .string,
            "Ours: field that carries upstream who it is, as a short-lived JWT that we sign (services.md); `:bearer` adds the scheme."
        ),
        field(
            "upstream_identity_lifetime",
            .number,
            default: 300,
            "Ours: seconds that a signed identity lasts, 30 to 3600; never much longer than what was proven."
        ),
        field(
            "upstream_introspection_header",
            .string,
            "Field that carries introspection's answer upstream (base64 of its JSON)."
        ),
        field(
            "upstream_introspection_jwt_header",
            .string,
            "Field that carries introspection's signed answer upstream."
        ),
        field("upstream_refresh_token_header", .string, "Field that carries the refresh token upstream."),
        field(
            "upstream_session_id_header",
            .string,
            "Field that carries the session's identifier upstream."
        ),
        field(
            "upstream_user_info_header",
            .string,
            "Field that carries userinfo upstream (base64 of its JSON)."
        ),
        field("upstream_user_info_jwt_header", .string, status: .notYet, "Another field for the upstream."),
    ]
}
