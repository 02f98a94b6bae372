"""Active checks over TLS and by gRPC: targets that prove their name or do not, that serve or do not."""
import contextlib
import http.server
import ssl
import threading
from concurrent import futures

import grpc
import httpx
import pytest

from support.certificates import Authority
from support.gatehouse import route
from support.processes import wait_until
from support.zone import Zone

AUTHORITY = "5f1d1b8c-31a2-4b86-8c7d-0c0f8f0b5a21"
OFTEN = {
    "timeout": 2, "healthy": {"interval": 0.1, "successes": 2},
    "unhealthy": {"interval": 0.1, "http_failures": 1, "tcp_failures": 1, "timeouts": 1}}
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"


@pytest.fixture(scope="module")
def authority():
    return Authority()


def configuration(authority, target: str, protocol: str, checks: dict, upstream: dict | None = None) -> dict:
    """One service that goes to an upstream of one target, which is checked."""
    return {
        "ca_certificates": [{"id": AUTHORITY, "cert": authority.cert}],
        "upstreams": [{"name": "zone", "targets": [{"target": target}], **(upstream or {}),
                       "healthchecks": {"active": {**OFTEN, **checks}}}],
        "services": [{
            "name": "api", "host": "zone", "protocol": protocol, "routes": [
                {**route("api", "/"), "protocols": ["grpc" if protocol.startswith("grpc") else "http"]}],
            **({"ca_certificates": [AUTHORITY]} if protocol.endswith("s") else {})}]}


def hold(gatehouse, state: str):
    """Waits until both workers hold the target so."""
    wait_until(lambda: gatehouse.metric("gatehouse_upstream_target_health", state=state) == 2, f"the target is {state}")


# By TLS


class SecureOrigin:
    """A server whose certificate changes as the test says; it notes what was asked for, and by what name."""

    def __init__(self, folder, signed):
        self.folder, self.asked, self.names = folder, [], []
        self.be(signed)
        origin = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                origin.asked.append((self.path, self.headers["Host"], self.headers.get("X-Check")))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def finish_request(self, request, client_address):
                with contextlib.suppress(OSError):
                    super().finish_request(origin.context.wrap_socket(request, server_side=True), client_address)

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def be(self, signed):
        """Shows another certificate to whoever connects from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*signed.files(self.folder))
        context.sni_callback = lambda _, name, __: self.names.append(name)
        self.context = context

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def origin(tmp_path, authority):
    server = SecureOrigin(tmp_path, authority.sign("zone.example", "127.0.0.1"))
    yield server
    server.stop()


def test_a_certificate_that_goes_wrong_takes_a_target_out_and_a_right_one_brings_it_back(
        start, origin, authority, tmp_path):
    gatehouse = start(configuration(
        authority, f"127.0.0.1:{origin.port}", "https",
        {"type": "https", "https_sni": "zone.example", "http_path": "/health", "headers": {"X-Check": ["yes"]}},
        {"host_header": "api.example"}))
    wait_until(lambda: len(origin.asked) > 3, "the target is checked")
    hold(gatehouse, "healthy")
    assert set(origin.asked) == {("/health", "api.example", "yes")}
    assert set(origin.names) == {"zone.example"}
    # Another name, by the same authority: a request of ours would not believe it either.
    origin.be(authority.sign("other.example", "127.0.0.1"))
    hold(gatehouse, "unhealthy")
    assert httpx.get(gatehouse.url).status_code == 503
    origin.be(authority.sign("zone.example", "127.0.0.1"))
    hold(gatehouse, "healthy")
    assert httpx.get(gatehouse.url).status_code == 200
    # The right name, by nobody whom we know.
    origin.be(Authority("Stranger").sign("zone.example", "127.0.0.1"))
    hold(gatehouse, "unhealthy")
    origin.be(authority.sign("zone.example", "127.0.0.1", begins=-9, ends=-2))
    before = len(origin.names)
    wait_until(lambda: len(origin.names) > before + 3, "more checks")
    hold(gatehouse, "unhealthy")
    origin.be(authority.sign("zone.example", "127.0.0.1"))
    hold(gatehouse, "healthy")


def test_without_verification_any_certificate_will_do_for_a_check(start, origin, authority):
    origin.be(Authority("Stranger").sign("other.example"))
    gatehouse = start(configuration(
        authority, f"127.0.0.1:{origin.port}", "https", {"type": "https", "https_verify_certificate": False}))
    wait_until(lambda: len(origin.asked) > 3, "the target is checked")
    hold(gatehouse, "healthy")
    # Checks alone are so easily pleased.
    assert httpx.get(gatehouse.url).status_code == 502


def test_https_checks_speak_tls_though_the_services_do_not(start, zone, authority):
    gatehouse = start(configuration(authority, zone.target, "http", {"type": "https"}))
    hold(gatehouse, "unhealthy")
    gatehouse = start(configuration(authority, zone.target, "http", {"type": "http"}))
    wait_until(lambda: httpx.get(gatehouse.url).status_code == 200, "the target serves")
    hold(gatehouse, "healthy")


@pytest.fixture
def zone(tmp_path):
    made = Zone("a", tmp_path).start()
    yield made
    made.stop()


# By gRPC


class HealthService(grpc.GenericRpcHandler):
    """gRPC's health service, with the answer that the test wants."""

    def __init__(self):
        self.answer, self.code, self.asked = SERVING, None, []

    def service(self, details):
        self.asked.append((details.method, dict(details.invocation_metadata).get("x-check")))
        if details.method == "/grpc.health.v1.Health/Check":
            return grpc.unary_unary_rpc_method_handler(self.check)
        return grpc.unary_unary_rpc_method_handler(lambda message, _: message) if "Echo" in details.method else None

    def check(self, message, context):
        assert message == b"", "the server as a whole"
        if self.code:
            context.abort(self.code, "not now")
        return self.answer


@contextlib.contextmanager
def serving(service, credentials=None):
    """A server with a service; gives its port."""
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[service] if service else [])
    address = "127.0.0.1:0"
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    server.start()
    yield port
    server.stop(0).wait()


def test_a_grpc_server_is_healthy_while_it_says_serving(start, authority):
    service = HealthService()
    with serving(service) as port:
        gatehouse = start(configuration(
            authority, f"127.0.0.1:{port}", "grpc", {"type": "grpc", "headers": {"X-Check": ["yes"]}}))
        wait_until(lambda: len(service.asked) > 3, "the target is checked")
        hold(gatehouse, "healthy")
        assert set(service.asked) == {("/grpc.health.v1.Health/Check", "yes")}
        for answer, code in [(NOT_SERVING, None), (b"", None), (SERVING, grpc.StatusCode.NOT_FOUND),
                             (SERVING, grpc.StatusCode.UNAVAILABLE), (b"\x08", None)]:
            service.answer, service.code = answer, code
            hold(gatehouse, "unhealthy")
            service.answer, service.code = SERVING, None
            hold(gatehouse, "healthy")
    hold(gatehouse, "unhealthy")


def test_a_grpc_server_without_the_health_service_is_unhealthy(start, authority):
    with serving(None) as port:
        gatehouse = start(configuration(authority, f"127.0.0.1:{port}", "grpc", {"type": "grpc"}))
        hold(gatehouse, "unhealthy")


def test_a_grpc_check_over_tls_wants_the_name_proven(start, authority):
    def credentials(*names: str):
        signed = authority.sign(*names)
        return grpc.ssl_server_credentials([(signed.key.encode(), signed.cert.encode())])

    for names, state in [(("zone.example",), "healthy"), (("other.example",), "unhealthy")]:
        service = HealthService()
        with serving(service, credentials(*names)) as port:
            gatehouse = start(configuration(
                authority, f"127.0.0.1:{port}", "grpcs", {"type": "grpcs", "https_sni": "zone.example"}))
            if state == "healthy":
                wait_until(lambda: len(service.asked) > 3, "the target is checked")
            hold(gatehouse, state)
            assert bool(service.asked) == (state == "healthy")
