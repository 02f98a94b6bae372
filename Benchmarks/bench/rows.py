"""The rows as data: what is asked of whom, and the goal beside it."""
import dataclasses

from bench import contestants as ours
from bench.contestants import Ours

PEERS = ("haproxy", "envoy")
# Those that check tokens by their own means; HAProxy and mod_auth_openidc know no EdDSA.
TOKEN_PEERS = (*PEERS, "apache")


@dataclasses.dataclass(frozen=True)
class Goal:
    """What a row is to reach.

    `ratio`          CPU time a request over that of `to`, taken within each round
    `verifications`  CPU time a request above that of `to`, in RSA-2048 verifications by `openssl speed`
    `octets`         memory of one idle connection
    `to`             nginx, or a peer where that is the measure
    """

    goal: float
    least: float | None = None
    figure: str = "ratio"
    of: str = "gatehouse"
    to: str = "nginx"


@dataclasses.dataclass(frozen=True)
class Row:
    """One row: Gatehouse in one form or more, next to nginx without any check and the peers that can do it."""

    name: str
    what: str
    ours: tuple[Ours, ...]
    goals: tuple[Goal, ...] = ()
    peers: tuple[str, ...] = ()
    algorithm: str | None = None
    workers: int = 1
    idle: bool = False
    verifies: str | None = None
    speaks: str = "http1"
    # Whether another gateway would ask: the reference is then an nginx that compares the credential with one string.
    callout: bool = False


ROWS = (
    Row("plain", "a 200-byte answer, no check", (ours.PLAIN,), (Goal(1.0, 1.05),), PEERS),
    Row("jwt-same", "one RS256 token on every request", (ours.SAME_TOKEN,), (Goal(1.0, 1.15),), TOKEN_PEERS, "RS256"),
    Row("jwt-distinct", "distinct RS256 tokens", (ours.DISTINCT_TOKENS,), (Goal(1.1, figure="verifications"),),
        TOKEN_PEERS, "RS256", verifies="RS256"),
    Row("jwt-es256", "distinct ES256 tokens", (ours.ELLIPTIC_TOKENS,), (), TOKEN_PEERS, "ES256", verifies="ES256"),
    Row("jwt-eddsa", "distinct EdDSA tokens", (ours.EDWARDS_TOKENS,), (), ("envoy",), "EdDSA", verifies="EdDSA"),
    Row("session", "twenty login sessions in turn", (ours.SESSION,), (Goal(1.2),)),
    Row("session-redis", "the same, with sessions in Redis", (ours.STORED_SESSION,)),
    Row("key-auth", "one API key on every request", (ours.KEY,)),
    Row("routes", "10 routes, and 100,000 (`many routes`)", (ours.FEW_ROUTES, ours.MANY_ROUTES),
        (Goal(1.1, of=ours.MANY_ROUTES.name, to=ours.FEW_ROUTES.name),)),
    Row("download", "an answer of 64 KiB", (ours.DOWNLOAD,), (), PEERS),
    Row("upload", "a request body of 64 KiB", (ours.UPLOAD,), (), PEERS),
    Row("idle", "connections that asked once and stay", (ours.PLAIN,), (Goal(4096, figure="octets"),), PEERS, idle=True),
    Row("tls", "`plain` over TLS 1.3", (ours.TLS,), (Goal(1.1),), PEERS, speaks="tls"),
    Row("handshakes", "a TLS connection for each request, nothing resumed", (ours.HANDSHAKES,), (), PEERS, speaks="tls"),
    Row("http2", "`plain` from clients of HTTP/2", (ours.HTTP2,), (Goal(1.2, to="envoy"),), PEERS, speaks="http2"),
    Row("grpc", "a unary call of gRPC", (ours.GRPC,), (Goal(1.2, to="envoy"),), PEERS, speaks="grpc"),
    Row("websocket", "a message of 64 octets and its echo", (ours.WEBSOCKET,), (), PEERS, speaks="websocket"),
    Row("callout", "a verdict for another gateway, one RS256 token", (ours.CALLOUT,), (Goal(1.2),), (), "RS256", callout=True),
    Row("callout-grpc", "the same, asked by gRPC", (ours.CALL,), (), (), "RS256", speaks="call", callout=True),
    Row("workers-2", "`plain` with two workers", (ours.PLAIN,), (), PEERS, workers=2),
)
