"""The same requests through the proxy itself and through other people's gateways, which ask: one verdict, everywhere.

docs/gateways/README.md says in the words of `REASONS` where a gateway cannot do as the proxy does.
"""
import dataclasses
import json
import threading

import pytest

from support import ledger
from support.browser import NAVIGATION, LightBrowser
from support.gatehouse import CALLS, ROOT, Gatehouse, openid_connect, plugin, route, service
from support.gateways import ALL
from support.issuer import Issuer
from support.rawsocket import RawConnection, Reply
from support.tokens import Key, claims_of
from support.upstream import Upstream

KEY = ledger.keep("anns-key-gateways-1234", "API key")
PAGE = [f"{name}: {value}" for name, value in NAVIGATION.items()]
ANN = {"username": "ann", "custom_id": "7", "keyauth_credentials": [{"key": KEY}]}


def configuration(issuer: Issuer, upstream: Upstream) -> dict:
    """What is open, what needs a token, a session, a key, a group; what answers by itself."""
    fields = {"upstream_headers_claims": ["email"], "upstream_headers_names": ["X-User-Email"],
              "scopes": ["openid", "email", "offline_access"]}
    key = plugin("key-auth", key_in_query=False)
    return {"services": [service(
        upstream.url,
        route("open", "/open"),
        route("api", "/api", plugins=[openid_connect(issuer, **fields)]),
        route("admin", "/admin", plugins=[openid_connect(issuer, groups_required=["owners"], **fields)]),
        route("key", "/key", plugins=[key]),
        route("read", "/things", methods=["GET"]),
        route("write", "/things", methods=["POST"], plugins=[key]),
        route("hosted", "/hosted", hosts=["only.test"]),
        route("tea", "/tea", plugins=[plugin("request-termination", status_code=418, message="tea")]),
        route("down", "/down", plugins=[plugin("request-termination", status_code=503, message="down")]),
        route("decoy", "/decoy", plugins=[plugin("request-termination", status_code=200, message="nothing here")]),
        route("cors", "/cors", plugins=[plugin("cors", origins=["https://a.test"]), key]))],
        "consumers": [ANN]}


@dataclasses.dataclass
class Answered:
    """What became of a request: the verdict, the answer, and what the upstream saw."""

    verdict: int | str
    reply: Reply | None
    seen: dict | None


class Scene:
    """An issuer, the sample API, the proxy that trusts nobody, and the callout that trusts the gateways."""

    def __init__(self, folder):
        self.issuer, self.upstream = Issuer(), Upstream()
        keys = {"GATEHOUSE_KEYS_DIR": str(folder / "keys")}
        rules = configuration(self.issuer, self.upstream)
        self.proxy = Gatehouse(folder / "proxy", rules, **keys).start()
        self.callout = Gatehouse(
            folder / "callout", rules, GATEHOUSE_TRUSTED_IPS="127.0.0.1/32", **CALLS, **keys).start()
        self.folder, self.gateways, self.lock = folder, {}, threading.Lock()
        self.cookie = self.log_in()

    def log_in(self) -> str:
        browser = LightBrowser()
        assert browser.follow(self.proxy.url + "/api/login").status_code == 200
        name, value = next((name, value) for name, value in browser.cookies.items() if name.startswith("session-"))
        browser.close()
        return f"{name}={value}"

    def port(self, column: str) -> int:
        if column == "proxy":
            return self.proxy.port
        if column not in self.gateways:
            kind = next(kind for kind in ALL if kind.name == column)
            if kind.missing():
                pytest.fail(kind.missing())
            self.gateways[column] = kind(self.folder / column, self.callout, self.upstream.port).start()
        return self.gateways[column].port

    def ask(self, column: str, method: str, target: str, fields: list[str], body: bytes = b"") -> Answered:
        """One request, as it is written, on a connection of its own."""
        port = self.port(column)
        host = [] if any(field.lower().startswith("host:") for field in fields) else ["Host: localhost"]
        length = [f"Content-Length: {len(body)}"] if body else []
        closes = [] if any(field.lower().startswith("connection:") for field in fields) else ["Connection: close"]
        lines = [f"{method} {target} HTTP/1.1", *host, *fields, *length, *closes, "", ""]
        with self.lock:
            before = len(self.upstream.seen)
            with RawConnection(port, 30) as connection:
                connection.send("\r\n".join(lines).encode("latin-1") + body)
                reply = connection.read(method)
            new = self.upstream.seen[before:]
        assert len(new) <= 1
        return Answered(verdict(reply, self.issuer), reply, view(new[0]) if new else None)

    def stop(self):
        for gateway in self.gateways.values():
            gateway.stop()
        for server in (self.proxy, self.callout, self.issuer, self.upstream):
            server.stop()


def verdict(reply: Reply | None, issuer: Issuer) -> int | str:
    """The status; a redirect into the login, straight or by our own path, is `login`."""
    if reply is None:
        return "closed"
    location = reply.first("location") or ""
    if reply.status in (302, 303) and (location.startswith(issuer.url) or "/oauth2/start?rd=" in location):
        return "login"
    return reply.status


# What each hop says of itself and of the client's connection.
OF_THE_HOP = {
    "host", "connection", "via", "user-agent", "accept-encoding", "content-length", "transfer-encoding", "keep-alive",
    "x-request-id", "traceparent", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto",
    "x-forwarded-path", "x-forwarded-prefix", "forwarded", "x-real-ip", "x-envoy-expected-rq-timeout-ms",
    "x-envoy-internal", "x-envoy-external-address", "x-envoy-attempt-count",
}


def view(seen) -> dict:
    """What the upstream learns: the request, its body, and the fields that are no hop's own; empty ones say nothing."""
    fields = {}
    for name, value in seen.fields:
        name = name.lower()
        # oauth2-proxy's fields come from callouts alone; they are looked at for themselves.
        if name not in OF_THE_HOP and not name.startswith("x-auth-request-") and value:
            fields.setdefault(name, []).append(value)
    told = {name.lower(): value for name, value in seen.fields if name.lower().startswith("x-auth-request-") and value}
    return {"line": f"{seen.method} {seen.target}", "body": seen.body, "fields": fields, "told": told}


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    made = Scene(tmp_path_factory.mktemp("gateways"))
    yield made
    made.stop()


# The table: a name, a method, a target, and its fields

def bearer(scene: Scene, **claims) -> list[str]:
    return [f"Authorization: Bearer {scene.issuer.access_token(**claims)}"]


def forged(scene: Scene) -> list[str]:
    """A token of the right issuer, signed by somebody else."""
    token = Key(scene.issuer.keys[0].kid).sign(claims_of(scene.issuer.access_token()), kid=scene.issuer.keys[0].kid)
    return [f"Authorization: Bearer {ledger.keep(token, 'forged token')}"]


def unsigned(scene: Scene) -> list[str]:
    import base64
    head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    return [f"Authorization: Bearer {head}.{scene.issuer.access_token().split('.')[1]}."]


def owner(scene: Scene) -> list[str]:
    return bearer(scene, groups=["owners"], email="o@example.test")


def session(scene: Scene) -> list[str]:
    return [f"Cookie: {scene.cookie}"]


def fresh_session(scene: Scene) -> list[str]:
    """For what ends the session: a refusal by its claims does."""
    return [f"Cookie: {scene.log_in()}"]


def tampered(scene: Scene) -> list[str]:
    name, value = scene.cookie.split("=", 1)
    at = len(value) // 2
    return [f"Cookie: {name}={value[:at]}{'A' if value[at] != 'A' else 'B'}{value[at + 1:]}"]


def fields(*lines: str):
    return lambda scene: list(lines)


def both(*makers):
    return lambda scene: [line for maker in makers for line in maker(scene)]


NOTHING = fields()
LIES = ["X-Original-URL: http://localhost/open", "X-Original-URI: /open", "X-Forwarded-Uri: /open", "X-Rewrite-URL: /open",
        "X-Original-Method: OPTIONS", "X-Forwarded-Method: OPTIONS", "X-Forwarded-Host: only.test",
        "X-Forwarded-Proto: https", "Forwarded: for=127.0.0.1;host=only.test;proto=https", "X_Original_URL: /open",
        "X.Original.URL: /open", "X-Real-IP: 127.0.0.1"]
SPOOFS = ["X-Consumer-Username", "X-Consumer-ID", "X-User-Email", "X-Authenticated-Groups", "X-Auth-Request-User",
          "X-Auth-Request-Groups", "X-Anonymous-Consumer", "X-Credential-Identifier"]
ALL_SPOOFED = [f"{name}: spoofed" for name in SPOOFS]
MISSPELT = [f"{name.replace('-', mark)}: spoofed" for name in SPOOFS for mark in "_."]

ROWS: list[tuple] = [
    # Methods (P7)
    *((f"open-{method}", method, "/open/x?a=1&b=%20", NOTHING)
      for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")),
    ("read", "GET", "/things/1", NOTHING),
    ("write-without-key", "POST", "/things/1", NOTHING),
    ("write", "POST", "/things/1", fields(f"apikey: {KEY}")),
    ("unknown-method", "PURGE", "/things/1", NOTHING),
    ("options-opens-nothing", "OPTIONS", "/api/x", NOTHING),
    ("preflight-opens-nothing", "OPTIONS", "/api/x",
     fields("Origin: https://a.test", "Access-Control-Request-Method: GET")),
    # Tokens
    ("no-token", "GET", "/api/x", NOTHING),
    ("token", "GET", "/api/x", bearer),
    ("token-lower-case-scheme", "GET", "/api/x",
     lambda scene: [bearer(scene)[0].replace("Authorization: Bearer", "authorization: bearer")]),
    ("expired", "GET", "/api/x", lambda scene: bearer(scene, exp=1)),
    ("not-yet", "GET", "/api/x", lambda scene: bearer(scene, nbf=4_000_000_000)),
    ("wrong-audience", "GET", "/api/x", lambda scene: bearer(scene, aud="other")),
    ("wrong-issuer", "GET", "/api/x", lambda scene: bearer(scene, iss="https://evil.test")),
    ("forged", "GET", "/api/x", forged),
    ("unsigned", "GET", "/api/x", unsigned),
    ("no-jwt", "GET", "/api/x", fields("Authorization: Bearer nonsense")),
    ("two-tokens", "GET", "/api/x", both(fields("Authorization: Bearer nonsense"), bearer)),
    ("token-in-query", "GET", "/api/x?access_token=nonsense", NOTHING),
    ("bad-token-in-browser", "GET", "/api/x", fields("Authorization: Bearer nonsense", *PAGE)),
    ("two-keys", "GET", "/key/x", fields("apikey: wrong", f"apikey: {KEY}")),
    ("health-agent", "GET", "/api/x", fields("User-Agent: kube-probe/1.29")),
    ("health-balancer", "GET", "/api/x", fields("User-Agent: GoogleHC/1.0")),
    # Claims (H3)
    ("group", "GET", "/admin/x", owner),
    ("no-group", "GET", "/admin/x", bearer),
    ("email-of-umlauts", "GET", "/api/x", lambda scene: bearer(scene, email="j\u00fcrgen@example.test")),
    ("email-with-line-end", "GET", "/api/x", lambda scene: bearer(scene, email="a\r\nX-Evil: 1")),
    # Sessions (H6)
    ("session", "GET", "/api/x", session),
    ("session-in-browser", "GET", "/api/x", both(session, fields(*PAGE))),
    ("session-among-cookies", "GET", "/api/x", lambda scene: [f"Cookie: a=1; {scene.cookie}; b=2"]),
    ("session-on-open-path", "GET", "/open/x", session),
    ("other-cookies", "GET", "/open/x", fields("Cookie: a=1; b=2")),
    ("tampered-session", "GET", "/api/x", tampered),
    ("session-twice", "GET", "/api/x", lambda scene: [f"Cookie: {scene.cookie}; {scene.cookie}"]),
    ("browser", "GET", "/api/x?y=1", fields(*PAGE)),
    ("script", "GET", "/api/x", fields("Accept: application/json", "Sec-Fetch-Mode: cors")),
    ("browser-without-group", "GET", "/admin/x", both(fresh_session, fields(*PAGE))),
    # Keys
    ("no-key", "GET", "/key/x", NOTHING),
    ("key", "GET", "/key/x", fields(f"apikey: {KEY}")),
    ("wrong-key", "GET", "/key/x", fields("apikey: wrong")),
    ("key-in-query", "GET", f"/key/x?apikey={KEY}", NOTHING),
    # Bodies
    ("post", "POST", "/api/x", bearer),
    # What a client says of itself or of another request (P1, H1, H2)
    *((f"lie-{number}", "GET", "/api/x", fields(line)) for number, line in enumerate(LIES)),
    ("all-lies", "GET", "/admin/x", both(bearer, fields(*LIES[:8]))),
    ("spoofed-on-open-path", "GET", "/open/x", fields(*ALL_SPOOFED)),
    ("spoofed-with-token", "GET", "/api/x", both(bearer, fields(*ALL_SPOOFED))),
    ("misspelt-on-open-path", "GET", "/open/x", fields(*MISSPELT, "X-Other: kept")),
    ("misspelt-with-key", "GET", "/key/x", fields(f"apikey: {KEY}", *MISSPELT)),
    ("nominated", "GET", "/key/x", fields(f"apikey: {KEY}", "Connection: close, X-Consumer-Username")),
    # Hosts (P4)
    ("host", "GET", "/hosted", fields("Host: ONLY.test")),
    ("host-with-full-stop", "GET", "/hosted", fields("Host: only.test.")),
    ("other-host", "GET", "/hosted", fields("Host: other.test")),
    # Paths (P2, P3)
    *((f"path-{target}", "GET", target, NOTHING) for target in (
        "/open/../api", "/api/../open", "/open/./x", "//api", "/open//x", "/open/%2e%2e/api", "/open/..%2fapi",
        "/ap%69/x", "/open/%7Ex", "/open;x", "/open/x%00", "/open\\..\\api", "/open/%c0%af", "/API", "/open?/../api",
        "/open%3f/../api", "/open#/../api", "/nowhere")),
    # Answers of plugins
    ("tea", "GET", "/tea", NOTHING),
    ("down", "GET", "/down", NOTHING),
    ("decoy", "GET", "/decoy", NOTHING),
    ("preflight", "OPTIONS", "/cors", fields("Origin: https://a.test", "Access-Control-Request-Method: GET")),
    ("cors-401", "GET", "/cors", fields("Origin: https://a.test")),
]

ENDS_SESSION = {"browser-without-group"}
BODIES = {"post": b"a=1&b=2"}
COLUMNS = [kind.name for kind in ALL]
FORWARDING = ["nginx", "caddy", "caddy-debian", "haproxy", "traefik-played"]


def paths(*targets: str) -> list[str]:
    return [f"path-{target}" for target in targets]


def each(rows: list[str], columns: list[str], verdict: int) -> dict[tuple[str, str], int]:
    return {(row, column): verdict for row in rows for column in columns}


# Where a gateway cannot do as the proxy does: the reason as docs/gateways/README.md has it, and what comes out instead.
REASONS: dict[str, dict[tuple[str, str], int]] = {
    "No route is 403": each(["unknown-method", "other-host", *paths("/API", "/nowhere")], COLUMNS, 403),
    "A path that is not settled is 403": each(
        paths("/open/../api", "/api/../open", "/open/./x", "//api", "/open//x", "/open%3f/../api"), FORWARDING, 403),
    "What the proxy calls malformed is 403": {
        **each(paths("/open/%2e%2e/api", "/open/..%2fapi", "/open;x", "/open\\..\\api", "/open/%c0%af"), FORWARDING, 403),
        **each(paths("/open;x", "/open/%c0%af"), ["envoy-grpc"], 403),
        **each(paths("/open/x%00"), [name for name in FORWARDING if name != "nginx"], 403),
        **each(paths("/open#/../api"), [name for name in FORWARDING if name != "haproxy"], 403)},
    "nginx knows 401 and 403": {("tea", "nginx"): 403, ("down", "nginx"): 500},
    "An answer of success is 403": each(["decoy", "preflight"], COLUMNS, 403),
    "Envoy makes paths canonical itself": each(paths("/open/%2e%2e/api", "/open\\..\\api"), ["envoy", "envoy-grpc"], 401),
    "Envoy joins fields of one name": each(["two-tokens"], ["envoy", "envoy-grpc"], 401),
    "Caddy refuses what Connection names": each(["nominated"], ["caddy", "caddy-debian"], 400),
}
# Forwarded as the client spelled it: the same path (RFC 3986 §6.2.2).
SPELLED = {"path-/open/%7Ex": "GET /open/%7Ex"}


def differs(row: str, column: str) -> int | None:
    """What this gateway says instead, for a reason that the documentation names."""
    return next((rows[row, column] for rows in REASONS.values() if (row, column) in rows), None)


def test_every_difference_is_in_the_documentation():
    text = (ROOT / "docs/gateways/README.md").read_text()
    assert [reason for reason in REASONS if f"**{reason}" not in text] == []


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_verdict_is_the_proxys(scene, column, row):
    """P1 P2 P3 P4 P5 P6 P7 H1 H2 H3 H6: the same verdict, and the upstream sees the same."""
    name, method, target, make = row
    body = BODIES.get(name, b"")
    lines = make(scene)
    ours = scene.ask("proxy", method, target, lines, body)
    theirs = scene.ask(column, method, target, make(scene) if name in ENDS_SESSION else lines, body)
    instead = differs(name, column)
    expected = ours.verdict if instead is None else instead
    assert theirs.verdict == expected, (ours.verdict, theirs.verdict, theirs.reply and theirs.reply.fields)
    assert (theirs.seen is not None) == (expected == 200)
    if ours.seen and theirs.seen:
        line = SPELLED.get(name, "") if theirs.seen["line"] == SPELLED.get(name) else ours.seen["line"]
        assert {**theirs.seen, "told": {}} == {**ours.seen, "told": {}, "line": line}
    if theirs.seen:
        assert "spoofed" not in json.dumps(theirs.seen["fields"]) + json.dumps(theirs.seen["told"])
        assert scene.cookie.split("=", 1)[1] not in json.dumps(theirs.seen["fields"])
        assert KEY not in json.dumps(theirs.seen["fields"])


@pytest.mark.parametrize("column", COLUMNS)
def test_nothing_passes_for_calling_itself_a_call_of_grpc(scene, column):
    """P5: gRPC tells of errors under 200, which is a yes to whoever asked."""
    for name, method, target, make in ROWS:
        lines = [*make(scene), "Content-Type: application/grpc"]
        if scene.ask("proxy", method, target, lines).seen is None:
            assert scene.ask(column, method, target, lines).seen is None, name
