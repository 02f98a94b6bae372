"""A running proxy as the benchmark sees it, and Gatehouse as each row wants it."""
import dataclasses
import pathlib
import time
from collections.abc import Callable

from bench.servers import LARGE, TokenRule, certificate
from support.browser import LightBrowser
from support.envoy import CHECK, Caller, frame, question
from support.gatehouse import CALLS, Gatehouse, openid_connect, plugin, route, service
from support.issuer import Issuer
from support.processes import Process, free_port, wait_until
from support.rawsocket import get
from support.tokens import Key, tampered

PATH = "/api/ping"
SESSIONS = 20
SESSION_SECONDS = 50
READY_SECONDS = 300
API_KEY = "bench-key-0123456789"


@dataclasses.dataclass(frozen=True)
class Request:
    """One request of the load: `body` is how many octets it carries."""

    path: str = PATH
    field: str = ""
    method: str = "GET"
    body: int = 0

    def line(self) -> str:
        """As `load.lua` reads it."""
        return f"{self.method} {self.path} {self.body} {self.field}"

    def raw(self, port: int) -> bytes:
        """As it goes over the wire on a connection that stays."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *filter(None, [self.field])]
        if self.body:
            lines.append(f"Content-Length: {self.body}")
        return "\r\n".join([*lines, "", ""]).encode() + b"x" * self.body


class Contestant:
    """A running proxy, the port to ask, and what to ask."""

    def __init__(self, name: str, process: Process, port: int, requests: list[Request]):
        self.name, self.process, self.port, self.requests = name, process, port, requests
        self.gatehouse: Gatehouse | None = None
        # What is called over HTTP/2: the path, and a message of gRPC in its frame.
        self.path, self.call = PATH, frame(b"hello")
        self.anew: Callable[[], list[Request]] | None = None
        self.rounds: list[dict] = []
        self.facts: dict = {}

    @property
    def pid(self) -> int:
        return self.process.popen.pid

    def refresh(self):
        """Gets the requests anew where they age, before a round and outside what is measured."""
        if self.anew:
            self.requests = self.anew()


class World:
    """What all rows share: the folder, the backend, the issuer, the tokens and how many routes are many."""

    def __init__(self, folder: pathlib.Path, issuer: Issuer, backend: int, tokens: int, routes: int = 100_000,
                 grpc_backend: int = 0, store: str = "", echo: int = 0):
        self.folder, self.issuer, self.backend, self.grpc_backend = folder, issuer, backend, grpc_backend
        self.echo = echo
        self.tokens, self.routes, self.store = tokens, routes, store
        self.certificate = certificate(folder)
        self.made: dict[str, list[str]] = {}
        issuer.access_seconds = 6 * 3600
        self.keys = {"RS256": issuer.keys[0], "ES256": Key("second-1", "ES256"), "EdDSA": Key("third-1", "EdDSA")}
        issuer.published = list(self.keys.values())
        self.rules = {
            name: TokenRule(issuer.url, issuer.client_id, key, folder) for name, key in self.keys.items()}

    def bearer(self, algorithm: str, distinct: bool) -> list[Request]:
        """One token, or as many as were asked for, each in a request."""
        made = self.made.setdefault(algorithm, [])
        count = self.tokens if distinct else 1
        now = int(time.time())
        for number in range(len(made), count):
            made.append(self.keys[algorithm].sign({
                "iss": self.issuer.url, "aud": self.issuer.client_id, "sub": f"user-{number:08}",
                "scope": "openid email", "client_id": self.issuer.client_id, "jti": f"{number:032x}",
                "exp": now + self.issuer.access_seconds, "iat": now - 5}, typ="at+jwt"))
        return [with_token(token) for token in made[:count]]

    def wrong_tokens(self, algorithm: str) -> list[Request]:
        """Tokens that whoever checks must refuse: expired, for somebody else, by somebody else, tampered with."""
        key, now = self.keys[algorithm], int(time.time())
        claims = {"iss": self.issuer.url, "aud": self.issuer.client_id, "sub": "user", "exp": now + 600, "iat": now - 5}
        return [with_token(token) for token in (
            key.sign({**claims, "exp": now - 3600}, typ="at+jwt"),
            key.sign({**claims, "aud": "another"}, typ="at+jwt"),
            key.sign({**claims, "iss": "http://another.test"}, typ="at+jwt"),
            tampered(key.sign(claims, typ="at+jwt")))]


def with_token(token: str) -> Request:
    return Request(field=f"Authorization: Bearer {token}")


@dataclasses.dataclass(frozen=True)
class Ours:
    """Gatehouse with one configuration."""

    name: str = "gatehouse"
    plugins: Callable[[World], list] = lambda world: []
    requests: Callable[[World], list[Request]] = lambda world: [Request()]
    logs_in: bool = False
    stores: bool = False
    refuses: int = 200
    routes: Callable[[World], int] = lambda world: 0
    more: dict = dataclasses.field(default_factory=dict)
    environment: dict = dataclasses.field(default_factory=dict)
    speaks: str = "http1"

    def configuration(self, world: World) -> dict | str:
        upstream = f"http://127.0.0.1:{world.echo if self.speaks == 'websocket' else world.backend}"
        if self.speaks == "grpc":
            return {"services": [{"name": "api", "url": f"grpc://127.0.0.1:{world.grpc_backend}", "routes": [
                {"name": "all", "protocols": ["grpc"], "paths": ["/"]}]}]}
        if self.routes(world):
            return many_routes(upstream, self.routes(world))
        return {"services": [service(upstream, route("all", "/", plugins=self.plugins(world)))], **self.more}

    def start(self, world: World, folder: pathlib.Path, workers: int = 1, **environment: str) -> Contestant:
        """Starts it, however long its file takes, and sees that it checks what it should."""
        gatehouse = Gatehouse(folder, self.configuration(world), **{
            "GATEHOUSE_WORKERS": str(workers), "GATEHOUSE_ACCESS_LOG": "off", "GATEHOUSE_LOG_LEVEL": "error",
            "GATEHOUSE_LIMIT_IDLE_SECONDS": "600", **self.environment, **environment})
        if self.stores:
            gatehouse.environment["GATEHOUSE_SESSION_STORE"] = world.store
        if self.speaks == "tls":
            gatehouse.environment["GATEHOUSE_PROXY_LISTEN"] += " ssl"
            gatehouse.environment |= {
                "GATEHOUSE_SSL_CERT": str(world.certificate), "GATEHOUSE_SSL_CERT_KEY": str(world.certificate)}
        elif self.speaks in ("http2", "grpc"):
            gatehouse.environment["GATEHOUSE_PROXY_LISTEN"] += " http2"
        began = time.monotonic()
        gatehouse.spawn()
        try:
            wait_until(gatehouse.ready, "gatehouse is ready", READY_SECONDS)
            found = Contestant(self.name, gatehouse.process, gatehouse.port, [])
            found.gatehouse = gatehouse
            found.facts["ready_seconds"] = round(time.monotonic() - began, 2)
            found.anew = (lambda: sessions(gatehouse)) if self.logs_in else None
            found.requests = self.requests(world)
            found.refresh()
            if self.speaks == "call":
                found.port, found.path, found.call = gatehouse.calls_port, CHECK, frame(asked(found.requests[0]))
                self.check_calls(found)
            if self.speaks != "http1":
                return found
            bare = get(gatehouse.port, found.requests[0].path)
            if bare.status != self.refuses:
                raise RuntimeError(f"{self.name}: {bare.status} without a credential, not {self.refuses}")
            return found
        except BaseException:
            gatehouse.process.kill()
            raise

    @staticmethod
    def check_calls(found: Contestant):
        """Sees that its verdicts are verdicts: the load sees only that calls are answered."""
        with Caller(found.port) as caller:
            passes, denied = caller.ask_octets(found.call[5:]), caller.ask_octets(asked(None))
        if not passes.passes or denied.denied != 401:
            raise RuntimeError(f"{found.name}: {passes} with a token, {denied} without one")


def asked(request: Request | None) -> bytes:
    """What Envoy asks about a request of a browser's kind."""
    shown = [request.field.split(": ", 1)] if request else []
    more = [("accept", "*/*"), ("user-agent", "wrk"), ("x-forwarded-proto", "http"), ("x-request-id", "1" * 36)]
    return question(PATH, host="127.0.0.1", source="127.0.0.1",
                    raw_headers=[(name.lower(), value) for name, value in [*shown, *more]])


def many_routes(upstream: str, count: int) -> str:
    """A file of `count` routes, written by hand because a YAML library takes minutes."""
    lines = ['_format_version: "3.0"', "services:", f"- name: api\n  url: {upstream}\n  routes:"]
    lines += [f"  - {{name: r{n}, paths: [{route_path(n)}], strip_path: false}}" for n in range(count)]
    return "\n".join(lines) + "\n"


def route_path(number: int) -> str:
    """A path as a company would give it: area, service, version."""
    return f"/area-{number % 97}/service-{number}/v{number % 3}"


def routed(count: int) -> list[Request]:
    """Requests to at most ten thousand of `count` routes, far from each other in the file."""
    step = max(1, count // 10_000)
    order = sorted(range(0, count, step), key=lambda n: n * 7919 % count)
    return [Request(path=route_path(n) + "/items") for n in order]


def sessions(gatehouse: Gatehouse) -> list[Request]:
    """A request with the cookies of each of some logins."""
    found = []
    for _ in range(SESSIONS):
        browser = LightBrowser()
        answer = browser.follow(gatehouse.url + PATH)
        if answer.status_code != 200:
            raise RuntimeError(f"a login ended with {answer.status_code}")
        found.append(Request(field="Cookie: " + "; ".join(
            f"{name}={value}" for name, value in browser.cookies.items() if "session-" in name)))
        browser.close()
    return found


def token_check(world: World) -> list:
    return [openid_connect(world.issuer, auth_methods=["bearer"], audience_required=[world.issuer.client_id])]


# A cache that holds fewer tokens than there are, so that the row measures verifying and not remembering.
SMALL_CACHE = {"GATEHOUSE_TOKEN_CACHE_BYTES": str(256 * 1024)}
PLAIN = Ours()
SAME_TOKEN = Ours(plugins=token_check, requests=lambda world: world.bearer("RS256", False), refuses=401)
DISTINCT_TOKENS = Ours(
    plugins=token_check, requests=lambda world: world.bearer("RS256", True), refuses=401, environment=SMALL_CACHE)
ELLIPTIC_TOKENS = Ours(
    plugins=token_check, requests=lambda world: world.bearer("ES256", True), refuses=401, environment=SMALL_CACHE)
EDWARDS_TOKENS = dataclasses.replace(ELLIPTIC_TOKENS, requests=lambda world: world.bearer("EdDSA", True))
SESSION = Ours(
    plugins=lambda world: [openid_connect(world.issuer, auth_methods=["authorization_code", "session"])],
    logs_in=True, refuses=401)
STORED_SESSION = dataclasses.replace(SESSION, stores=True)
KEY = Ours(
    plugins=lambda world: [plugin("key-auth")], requests=lambda world: [Request(field=f"apikey: {API_KEY}")],
    refuses=401, more={"consumers": [{"username": "bench", "keyauth_credentials": [{"key": API_KEY}]}]})
FEW_ROUTES = Ours(name="10 routes", routes=lambda world: 10, requests=lambda world: routed(10))
MANY_ROUTES = Ours(name="many routes", routes=lambda world: world.routes, requests=lambda world: routed(world.routes))
TLS = Ours(speaks="tls")
HANDSHAKES = Ours(speaks="tls", requests=lambda world: [Request(field="Connection: close")])
HTTP2 = Ours(speaks="http2")
GRPC = Ours(speaks="grpc")
WEBSOCKET = Ours(speaks="websocket")
TRUSTS = {"GATEHOUSE_TRUSTED_IPS": "127.0.0.1/32"}
CALLOUT = Ours(
    plugins=token_check, refuses=401, environment=TRUSTS, requests=lambda world: [
        dataclasses.replace(world.bearer("RS256", False)[0], path=f"/oauth2/ext-authz{PATH}")])
CALL = Ours(
    plugins=token_check, speaks="call", environment=TRUSTS | CALLS, requests=lambda world: world.bearer("RS256", False))
DOWNLOAD = Ours(requests=lambda world: [Request(path="/large")])
UPLOAD = Ours(requests=lambda world: [Request(method="POST", body=LARGE)])
