// Fields of openid-connect: records within it.
import Gateway
import JSON

extension OpenIDConnectFields {
    /// Fields of `client_jwk`.
    static let clientJwkFields: [FieldSchema] = [
        field("alg", .string, "Alg."),
        field("crv", .string, "Crv."),
        field("d", .string, secret: true, "D."),
        field("dp", .string, secret: true, "Dp."),
        field("dq", .string, secret: true, "Dq."),
        field("e", .string, "E."),
        field("issuer", .string, "Issuer."),
        field("k", .string, secret: true, "K."),
        field("key_ops", .list(.string), "Key ops."),
        field("kid", .string, "Kid."),
        field("kty", .string, "Kty."),
        field("n", .string, "N."),
        field("oth", .string, "Oth."),
        field("p", .string, secret: true, "P."),
        field("q", .string, secret: true, "Q."),
        field("qi", .string, secret: true, "Qi."),
        field("r", .string, "R."),
        field("t", .string, "T."),
        field("use", .string, "Use."),
        field("x", .string, "X."),
        field("x5c", .list(.string), "X5c."),
        field("x5t", .string, "X5t."),
        field("x5t#S256", .string, "X5t#s256."),
        field("x5u", .string, "X5u."),
        field("y", .string, "Y."),
    ]

    /// Fields of `downstream_headers` and `upstream_headers`.
    static let headerFields: [FieldSchema] = [
        field("header", .string, "Name of the field."),
        field("path", .list(.string), "Path of the claim."),
    ]

    /// Fields of `principals`.
    static let principalsFields: [FieldSchema] = [
        field("directory", .string, default: "default", "Directory."),
        field("enabled", .boolean, default: false, "Enabled."),
        field("error_on_miss", .boolean, default: true, "Error on miss."),
        field("match_consumer", .boolean, default: true, "Match consumer."),
        field("match_consumer_groups", .boolean, default: true, "Match consumer groups."),
        field("principal_by", .string, "Principal by."),
        field("principal_claim", .list(.string), "Principal claim."),
    ]

    /// Fields of `redis.cloud_authentication` and `cluster_cache_redis.cloud_authentication`.
    static let redisCloudAuthenticationFields: [FieldSchema] = [
        field("auth_provider", .string, oneOf: ["aws", "azure", "gcp"], "Auth provider."),
        field("aws_access_key_id", .string, "Aws access key id."),
        field("aws_assume_role_arn", .string, "Aws assume role arn."),
        field("aws_cache_name", .string, "Aws cache name."),
        field("aws_is_serverless", .boolean, default: true, "Aws is serverless."),
        field("aws_region", .string, "Aws region."),
        field("aws_role_session_name", .string, "Aws role session name."),
        field("aws_secret_access_key", .string, secret: true, "Aws secret access key."),
        field("azure_client_id", .string, "Azure client id."),
        field("azure_client_secret", .string, secret: true, "Azure client secret."),
        field("azure_tenant_id", .string, "Azure tenant id."),
        field("gcp_service_account_json", .string, secret: true, "Gcp service account json."),
    ]

    /// Fields of `redis.cluster_nodes` and `cluster_cache_redis.cluster_nodes`.
    static let redisClusterNodesFields: [FieldSchema] = [
        field("ip", .string, default: "127.0.0.1", "Address or name."),
        field("port", .integer, default: 6379, "Port."),
    ]

    /// Fields of `redis.sentinel_nodes` and `cluster_cache_redis.sentinel_nodes`.
    static let redisSentinelNodesFields: [FieldSchema] = [
        field("host", .string, default: "127.0.0.1", "Host."),
        field("port", .integer, default: 6379, "Port."),
    ]

    /// Fields of `redis`: a connection, and where its values stand.
    static let redisFields: [FieldSchema] = [
        field(
            "cloud_authentication",
            .record(redisCloudAuthenticationFields),
            status: .notYet,
            "Passwords from a cloud's identity service."
        ),
        field(
            "cluster_max_redirections",
            .integer,
            default: 5,
            "How often one command is sent on to another server of the cluster at most."
        ),
        field(
            "cluster_nodes",
            .list(.record(redisClusterNodesFields)),
            "Servers of a cluster, which tell of the others, instead of host and port."
        ),
        field("connect_timeout", .integer, default: 2000, "Milliseconds until a connection must stand."),
        field(
            "connection_is_proxied",
            .boolean,
            default: false,
            status: .notYet,
            "Redis behind a proxy of connections."
        ),
        field("database", .integer, default: 0, "Number of the database."),
        field("host", .string, default: "127.0.0.1", "Name or address of the server."),
        field("keepalive_backlog", .integer, status: .inert, "One connection is kept, for all requests."),
        field(
            "keepalive_pool_size",
            .integer,
            default: 256,
            status: .inert,
            "One connection is kept, for all requests."
        ),
        field("password", .string, secret: true, "Password."),
        field("port", .integer, default: 6379, "Port of the server."),
        field("prefix", .string, default: "gatehouse:", "What every key begins with."),
        field("read_timeout", .integer, default: 2000, "Milliseconds until a command must be answered."),
        field("send_timeout", .integer, default: 2000, status: .inert, "Part of read_timeout."),
        field("sentinel_master", .string, "Name that the sentinels know the master by."),
        field(
            "sentinel_nodes",
            .list(.record(redisSentinelNodesFields)),
            "Sentinels that name the server, instead of host and port."
        ),
        field("sentinel_password", .string, secret: true, "Password for the sentinels themselves."),
        field(
            "sentinel_role",
            .string,
            oneOf: ["any", "master", "slave"],
            "Whom sentinels are asked for: sessions need master."
        ),
        field("sentinel_username", .string, "User for the sentinels themselves."),
        field("server_name", .string, "Name that the server's certificate must prove; by default the host."),
        field("socket", .string, "Path of a Unix socket, instead of host and port."),
        field("ssl", .boolean, default: false, "Whether TLS is spoken."),
        field("ssl_verify", .boolean, default: true, "Whether the server's certificate is verified."),
        field("username", .string, "User; by default Redis' own."),
    ]

    /// Fields of `cluster_cache_redis`.
    static let clusterCacheRedisFields: [FieldSchema] = [
        field("cloud_authentication", .record(redisCloudAuthenticationFields), "Part of this record."),
        field("cluster_max_redirections", .integer, default: 5, "Cluster max redirections."),
        field("cluster_nodes", .list(.record(redisClusterNodesFields)), "Cluster nodes."),
        field("connect_timeout", .integer, default: 2000, "Connect timeout."),
        field("connection_is_proxied", .boolean, default: false, "Connection is proxied."),
        field("database", .integer, default: 0, "Database."),
        field("host", .string, default: "127.0.0.1", "Host."),
        field("keepalive_backlog", .integer, "Keepalive backlog."),
        field("keepalive_pool_size", .integer, default: 256, "Keepalive pool size."),
        field("password", .string, secret: true, "Password."),
        field("port", .integer, default: 6379, "Port."),
        field("read_timeout", .integer, default: 2000, "Read timeout."),
        field("send_timeout", .integer, default: 2000, "Send timeout."),
        field("sentinel_master", .string, "Sentinel master."),
        field("sentinel_nodes", .list(.record(redisSentinelNodesFields)), "Sentinel nodes."),
        field("sentinel_password", .string, secret: true, "Sentinel password."),
        field("sentinel_role", .string, oneOf: ["any", "master", "slave"], "Sentinel role."),
        field("sentinel_username", .string, "Sentinel username."),
        field("server_name", .string, "Server name."),
        field("ssl", .boolean, default: false, "Ssl."),
        field("ssl_verify", .boolean, default: true, "Ssl verify."),
        field("username", .string, "Username."),
    ]

    /// Fields of `token_exchange.cache`.
    static let tokenExchangeCacheFields: [FieldSchema] = [
        field("enabled", .boolean, default: true, "Enabled."),
        field("ttl", .integer, "Ttl."),
    ]

    /// Fields of `token_exchange.request`.
    static let tokenExchangeRequestFields: [FieldSchema] = [
        field("audience", .list(.string), "Audience."),
        field("empty_audience", .boolean, default: false, "Empty audience."),
        field("empty_scopes", .boolean, default: false, "Empty scopes."),
        field("scopes", .list(.string), "Scopes."),
    ]

    /// Fields of `token_exchange.subject_token_issuers.conditions`.
    static let tokenExchangeSubjectTokenIssuersConditionsFields: [FieldSchema] = [
        field("has_audience", .list(.string), "Has audience."),
        field("has_scopes", .list(.string), "Has scopes."),
        field("missing_audience", .list(.string), "Missing audience."),
        field("missing_scopes", .list(.string), "Missing scopes."),
    ]

    /// Fields of `token_exchange.subject_token_issuers`.
    static let tokenExchangeSubjectTokenIssuersFields: [FieldSchema] = [
        field(
            "conditions",
            .record(tokenExchangeSubjectTokenIssuersConditionsFields),
            "Part of this record."
        ),
        field("issuer", .string, "Issuer."),
        field("jwks_uri", .string, "Jwks uri."),
        field("verify_signature", .boolean, default: false, "Verify signature."),
    ]

    /// Fields of `token_exchange`.
    static let tokenExchangeFields: [FieldSchema] = [
        field("cache", .record(tokenExchangeCacheFields), "Part of this record."),
        field("request", .record(tokenExchangeRequestFields), "Part of this record."),
        field(
            "subject_token_issuers",
            .list(.record(tokenExchangeSubjectTokenIssuersFields)),
            "Subject token issuers."
        ),
    ]
}
