"""Envoy's authorization service: what a caller of gRPC is told, hostile ones included; test_gateways.py has a real Envoy."""
import concurrent.futures
import secrets
import signal
import ssl
import urllib.parse

import grpc
import httpx
import pytest

from support import envoy, ledger
from support.certificates import Authority
from support.envoy import APPEND, CHECK, HEALTH, OVERWRITE, WATCH, Caller, frame, message, question
from support.gatehouse import CALLS, CALLS_LISTEN, openid_connect, plugin, route, run, service
from support.gateways import Envoy, EnvoyGRPC
from support.http2 import RawHTTP2, request
from support.processes import wait_until

TRUSTED = {"GATEHOUSE_TRUSTED_IPS": "127.0.0.1/32", **CALLS}
KEY = ledger.keep("bens-key-envoy-5678", "API key")
PAGE = {"accept": "text/html", "sec-fetch-mode": "navigate"}
ENCODED = {"content-type": "application/grpc", "te": "trailers"}


def configuration(issuer, upstream) -> dict:
    fields = {"upstream_headers_claims": ["email"], "upstream_headers_names": ["X-User-Email"],
              "scopes": ["openid", "email", "offline_access"],
              "auth_methods": ["authorization_code", "session", "refresh_token", "bearer"]}
    changes = {"add": {"querystring": ["added:1"]}, "replace": {"querystring": ["a:2"]}}
    return {"services": [service(
        upstream.url, route("open", "/open"), route("api", "/api", plugins=[openid_connect(issuer, **fields)]),
        route("key", "/key", plugins=[plugin("key-auth", hide_credentials=True)]),
        route("near", "/near", plugins=[plugin("ip-restriction", allow=["203.0.113.0/24"])]),
        route("changed", "/changed", plugins=[plugin("request-transformer", **changes)]),
        route("longer", "/longer", plugins=[plugin("request-transformer", append={"querystring": ["a:2"]})]),
        route("tea", "/tea", plugins=[plugin("request-termination", status_code=418, message="tea")]))],
        "consumers": [{"username": "ben", "custom_id": "8", "keyauth_credentials": [{"key": KEY}]}]}


@pytest.fixture
def gatehouse(start, upstream, issuer):
    return start(configuration(issuer, upstream), **TRUSTED)


@pytest.fixture
def caller(gatehouse):
    with Caller(gatehouse.calls_port) as one:
        yield one


def bearer(issuer, **claims) -> dict[str, str]:
    return {"authorization": f"Bearer {issuer.access_token(**claims)}"}


def failure(call, *arguments, **more) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **more)
    return caught.value


# Yes and no

def test_a_yes_says_what_the_upstream_shall_see(caller, issuer, upstream):
    """H1, H6: what is known overwrites, all else is taken off, and no token is in the metadata."""
    shown = {**bearer(issuer, email="a@example.test"), "x-consumer-username": "spoofed", "x.user.email": "spoofed"}
    answer = caller.ask(headers=shown)
    assert answer.passes
    assert ("x-auth-request-user", "alice-id", OVERWRITE) in answer.headers
    assert ("x-user-email", "a@example.test", OVERWRITE) in answer.headers
    set_names = {name for name, _, _ in answer.headers}
    assert {"x-consumer-username", "x-consumer-id", "x.user.email", "x-auth-request-access-token",
            "x-auth-request-email" if "x-auth-request-email" not in set_names else "x-anonymous-consumer"} <= set(answer.removed)
    assert set_names.isdisjoint(answer.removed)
    assert answer.metadata == {"issuer": issuer.url, "sub": "alice-id"}
    assert upstream.seen == []


def test_a_consumer_is_named_in_the_metadata(caller):
    answer = caller.ask("/key/x", headers={"apikey": KEY})
    assert answer.passes and answer.metadata == {"consumer": "ben"}
    assert answer.header("x-consumer-username") == "ben" and "apikey" in answer.removed


def test_a_no_is_what_the_proxys_own_clients_get(caller, gatehouse, issuer):
    answer = caller.ask()
    assert (answer.code, answer.denied) == (16, 401)
    assert answer.header("www-authenticate").startswith("Bearer realm=")
    assert '"message":"Unauthorized"' in answer.body
    assert caller.ask("/tea").denied == 418
    line = gatehouse.wait_for_line(lambda line: line.get("original_path") == "/api/x")
    assert (line["status"], line["original_host"], line["path"]) == (401, "shop.test", CHECK)


def test_a_browser_is_led_to_the_login(caller, start):
    answer = caller.ask("/api/x?a=1", host="127.0.0.1", scheme="https", headers=PAGE)
    assert (answer.code, answer.denied) == (16, 302)
    assert answer.header("location") == "https://127.0.0.1/oauth2/start?rd=%2Fapi%2Fx%3Fa%3D1"


def test_a_call_of_grpc_gets_a_grpc_status(caller):
    answer = caller.ask(method="POST", headers=ENCODED)
    assert (answer.denied, answer.header("grpc-status"), answer.header("content-type")) == (401, "16", "application/grpc")


def test_no_route_and_paths_of_our_own_are_refused(caller, gatehouse):
    assert caller.ask("/nowhere").denied == 403
    assert caller.ask("/oauth2/auth").denied == 403
    gatehouse.wait_for_line(lambda line: line.get("reason") == "own-path")


def test_a_renewed_session_reaches_the_browser_beside_the_upstreams_cookies(start, upstream, issuer, light):
    issuer.claims = {"padding": secrets.token_hex(900)}
    issuer.access_seconds = 2
    gatehouse = start(configuration(issuer, upstream), **TRUSTED)
    browser = light()
    assert browser.follow(gatehouse.url + "/api/x").status_code == 200
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    issuer.access_seconds = 600
    with Caller(gatehouse.calls_port) as caller:
        def renewed():
            answer = caller.ask(host=f"127.0.0.1:{gatehouse.port}", headers={"cookie": f"mine=1; {cookie}"})
            assert answer.passes, answer
            assert answer.header("cookie") == "mine=1"
            assert not [name for name, _, _ in answer.headers if "set-cookie" in name]
            return [one for one in answer.for_client if one[0] == "set-cookie"]
        lines = wait_until(renewed, "the session is renewed")
    assert len(lines) >= 2 and {action for _, _, action in lines} == {APPEND}


def test_users_side_by_side_are_not_confused(caller, issuer):
    """H4"""
    users = [f"user-{number}" for number in range(40)]
    shown = {name: bearer(issuer, subject=name) for name in users}

    def ask(number: int) -> bool:
        name = users[number % len(users)]
        return caller.ask(headers=shown[name]).header("x-auth-request-user") == name

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(600)))


# Who may ask

def test_a_stranger_gets_no_verdict(start, upstream, issuer):
    """P1"""
    gatehouse = start(configuration(issuer, upstream), **CALLS)
    with Caller(gatehouse.calls_port) as caller:
        for octets in (question(headers=bearer(issuer)), question("/open"), b"\xff"):
            answer = caller.ask_octets(octets)
            assert (answer.code, answer.denied) == (7, 403)
        assert caller.health() == 1
    line = gatehouse.wait_for_line(lambda line: line.get("reason") == "untrusted-callout")
    assert "127.0.0.1" in line["detail"] and "set trusted_ips" in line["detail"]
    assert any("ext_authz_listen" in line.get("message", "") for line in gatehouse.lines())


# The original request

AMBIGUOUS = {
    "fields in both ways": dict(headers={"a": "1"}, raw_headers=[("a", "1")]),
    "a name of the map twice": dict(headers=[("authorization", "a"), ("authorization", "b")]),
    "a name of the map twice, in another case": dict(headers=[("authorization", "a"), ("Authorization", "b")]),
    "another path": dict(headers={":path": "/api"}),
    "another method": dict(headers={":method": "POST"}),
    "another authority": dict(headers={":authority": "other.test"}),
    "another host": dict(headers={"host": "other.test"}),
    "another scheme": dict(headers={":scheme": "https"}),
    "a path twice": dict(raw_headers=[(":path", "/open"), (":path", "/open")]),
    "a value that is told in two ways": dict(more=[(13, message((1, message((1, "a"), (2, "1"), (3, "2")))))]),
    "a query beside the path": dict(more=[(7, "a=1")]),
    "a fragment": dict(more=[(8, "a")]),
    "two schemes": dict(raw_headers=[("x-forwarded-proto", "http"), ("x-forwarded-proto", "https")]),
    "a scheme that is none": dict(headers={"x-forwarded-proto": "https, http"}),
    "a scheme of another world": dict(scheme="gopher"),
}
MALFORMED = {
    "no path": dict(path=None), "no method": dict(method=None), "no host": dict(host=None),
    "a path that is none": dict(path="open"),
    "a path with a space": dict(path="/open HTTP/1.1"), "a path with a line end": dict(path="/open\r\nx: y"),
    "a fragment in the path": dict(path="/open#/x"), "dot segments": dict(path="/open/../api"),
    "an encoded slash": dict(path="/open/..%2fapi"), "an empty segment": dict(path="//open"),
    "NUL": dict(path="/open/%00"), "a semicolon": dict(path="/open;x"),
    "a method with a line": dict(method="GET /x HTTP/1.1\r\nhost: evil"), "CONNECT": dict(method="CONNECT"),
    "a host with a line end": dict(host="shop.test\r\nx: y"), "a host with a path": dict(host="shop.test/x"),
    "a field with a line end": dict(headers={"a": "b\r\nauthorization: c"}),
    "a name with a line end": dict(headers={"a: b\r\nc": "d"}), "a field without a name": dict(headers={"": "d"}),
    "a pseudo-field of another world": dict(headers={":protocol": "websocket"}),
    "too many fields": dict(raw_headers=[(f"x-{number}", "y") for number in range(200)]),
    "fields that are too large": dict(headers={"x": "y" * 40_000}),
    "a source that is no address": dict(source="example.test"),
    "a certificate that is none": dict(certificate="-----BEGIN%20CERTIFICATE-----"),
}


@pytest.mark.parametrize("why", AMBIGUOUS)
def test_what_does_not_name_one_request_is_refused(caller, gatehouse, why):
    """P1, P5"""
    answer = caller.ask_octets(question(**{"path": "/open", **AMBIGUOUS[why]}))
    assert (answer.code, answer.denied) == (7, 403)
    assert gatehouse.refusals("conflicting-original-request") == 1


@pytest.mark.parametrize("why", MALFORMED)
def test_what_the_proxy_would_refuse_is_refused(caller, gatehouse, why):
    """P2, P3, P5, P7"""
    answer = caller.ask_octets(question(**{"path": "/open", **MALFORMED[why]}))
    assert (answer.code, answer.denied) == (7, 403)
    assert gatehouse.refusals("malformed-original-request") == 1


@pytest.mark.parametrize("octets", [
    b"", message((1, b"")), message((1, message((4, b"")))), message((1, message((1, b""))))], ids=len)
def test_a_question_about_nothing_is_refused(caller, gatehouse, octets):
    assert caller.ask_octets(octets).denied == 403
    assert gatehouse.refusals("no-original-request") == 1


@pytest.mark.parametrize("octets", [b"\xff", b"\x0a\x05a", message((1, message((1, b"\x0a\xff"))))], ids=len)
def test_a_question_that_cannot_be_read_is_refused(caller, octets):
    """P8: a failure of the call would let pass where Envoy is told to."""
    assert caller.ask_octets(octets).denied == 403


@pytest.mark.parametrize("path", ["/open", "/open?a=//../b", "/open/%C3%A9", "/open/..."])
@pytest.mark.parametrize("way", ["headers", "raw_headers"])
def test_the_rest_passes(caller, path, way):
    told = {":path": path, ":method": "GET", ":authority": "shop.test", ":scheme": "http", "x-any": "\u00e9",
            "x-forwarded-proto": "http", "x-forwarded-uri": "/api", "connection": "close", "content-length": "9"}
    assert caller.ask(path, **{way: told if way == "headers" else list(told.items())}).passes


def test_octets_of_a_field_are_judged_as_they_are(caller, issuer):
    """P5: what is no UTF-8 is neither lost nor mended."""
    token = bearer(issuer)["authorization"].encode()
    assert caller.ask(raw_headers=[("authorization", token), ("x-any", b"\xff\xfe")]).passes
    assert caller.ask(raw_headers=[("authorization", token + b"\xff")]).denied == 401
    two = caller.ask(raw_headers=[("authorization", token), ("authorization", b"Bearer nonsense")])
    assert two.denied == 400


def test_a_body_within_the_question_is_passed_over(caller, issuer):
    assert caller.ask_octets(question("/open", method="POST", more=[(11, "a=1"), (12, b"\xff" * 1000)])).passes


# Who the client is

def test_the_source_is_the_client(caller):
    """P1: a client's own word about its address counts for nothing; that of a trusted hop before Envoy does."""
    near = {"x-forwarded-for": "203.0.113.5"}
    assert caller.ask("/near", source="203.0.113.9").passes
    assert caller.ask("/near", source="198.51.100.1").denied == 403
    assert caller.ask("/near", source="198.51.100.1", headers=near).denied == 403
    assert caller.ask("/near", source="127.0.0.1", headers=near).passes
    assert caller.ask("/near", source="127.0.0.1", headers={"x-forwarded-for": "203.0.113.5, 198.51.100.1"}).denied == 403
    assert caller.ask("/near", source=None).denied == 403
    assert caller.ask("/near", source=None, headers=near).passes


def test_the_certificate_of_envoys_handshake_proves_a_consumer(start, upstream):
    ours, other = Authority("Ours"), Authority("Other")
    gatehouse = start({
        "ca_certificates": [{"id": "6d3b21f1-4f1c-4f73-9a64-2f6a3a1a8e01", "cert": ours.cert}],
        "services": [service(upstream.url, route("mine", "/", plugins=[plugin(
            "mtls-auth", ca_certificates=["6d3b21f1-4f1c-4f73-9a64-2f6a3a1a8e01"], revocation_check_mode="SKIP")]))],
        "consumers": [{"username": "ann.test"}]}, **TRUSTED)
    with Caller(gatehouse.calls_port) as caller:
        def escaped(signer: Authority) -> str:
            return urllib.parse.quote(signer.sign("ann.test").cert, safe="")
        answer = caller.ask("/", certificate=escaped(ours))
        assert answer.passes and answer.metadata == {"consumer": "ann.test"}
        assert caller.ask("/", certificate=escaped(other)).denied == 401
        assert caller.ask("/").denied == 401


def test_what_stands_beside_a_route_narrows_and_names_nobody(caller, issuer):
    shown = bearer(issuer, groups=["ops"], email="a@example.test")
    assert caller.ask(headers=shown, extensions={"allowed_groups": "dev,ops", "virtual_host": "shop"}).passes
    assert caller.ask(headers=shown, extensions={"allowed_groups": "dev"}).denied == 403
    assert caller.ask(headers=shown, extensions={"allowed_email_domains": "other.test"}).denied == 403
    assert caller.ask(headers=shown, extensions={"allowed_group": "ops"}).denied == 403
    assert caller.ask(extensions={"sub": "alice-id", "authorization": shown["authorization"]}).denied == 401


# The query

def test_a_key_in_the_query_is_taken_out(caller):
    answer = caller.ask(f"/key/x?a=1&apikey={KEY}")
    assert answer.passes and (answer.query, answer.query_removed) == ([], ["apikey"])


def test_what_a_plugin_changes_in_the_query_is_told(caller, gatehouse):
    answer = caller.ask("/changed?a=1&b=1")
    assert answer.passes and (answer.query, answer.query_removed) == ([("a", "2"), ("added", "1")], [])
    assert caller.ask("/changed?added=1&a=2").query == []
    assert caller.ask("/longer").query == [("a", "2")]
    assert caller.ask("/longer?a=1").denied == 403
    assert gatehouse.refusals("unsendable-query") == 1


# The call itself

def test_nothing_else_is_served_there(caller, gatehouse):
    for method in ("/envoy.service.auth.v3.Authorization/Other", "/grpc.health.v1.Health/List", "/open",
                   "/oauth2/auth", CHECK + "?a=1", "/envoy.service.auth.v3.Authorization/%43heck", "//" + CHECK[1:]):
        error = failure(caller.call, method, question("/open"))
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED, method
    assert httpx.get(f"http://127.0.0.1:{gatehouse.calls_port}/open").status_code == 426
    assert httpx.post(gatehouse.url + CHECK, headers={"content-type": "application/grpc"}).headers["grpc-status"] != "0"


def raw_call(gatehouse, body: bytes, fields=(("content-type", "application/grpc"), ("te", "trailers")), method="POST"):
    connection = RawHTTP2(gatehouse.calls_port)
    stream = connection.open(request(method, CHECK, *fields), end=not body)
    if body:
        half = len(body) // 2
        connection.data(stream, body[:half])
        connection.data(stream, body[half:], end=True)
    connection.until(lambda: connection.streams[stream].over)
    return connection.streams[stream]


def test_one_message_and_its_trailers(gatehouse):
    answer = raw_call(gatehouse, frame(question("/open")))
    assert (answer.status, answer.first("content-type")) == (200, "application/grpc")
    assert dict(answer.trailers) == {"grpc-status": "0"} and answer.first("grpc-status") is None
    assert envoy.said(answer.body[5:]).passes
    assert int.from_bytes(answer.body[1:5], "big") == len(answer.body) - 5 and answer.body[0] == 0


@pytest.mark.parametrize(("body", "code"), [
    (frame(question("/open"), flag=1), "12"), (frame(question("/open")) * 2, "12"), (b"", "12"),
    (frame(question("/open"))[:-1], "13"), (b"\0\0\0", "13"), (b"\0\xff\xff\xff\xff", "13"),
], ids=["compressed", "two", "none", "cut off", "half a frame", "longer than it is"])
def test_a_body_that_is_no_message_is_a_failure_of_the_call(gatehouse, body, code):
    answer = raw_call(gatehouse, body)
    assert (answer.status, answer.first("grpc-status"), answer.body) == (200, code, b"")
    assert gatehouse.refusals("malformed-call") == 1


def test_a_question_that_is_too_large_is_refused(caller, gatehouse):
    assert caller.ask_octets(question("/open", more=[(12, b"x" * ((1 << 20) - 200))])).passes
    assert caller.ask_octets(question("/open", more=[(12, b"x" * (1 << 20))])).denied == 413


def test_what_clients_may_upload_is_no_bound_for_questions(start, upstream, issuer):
    """P8"""
    gatehouse = start(configuration(issuer, upstream), GATEHOUSE_LIMIT_BODY_BYTES="10", **TRUSTED)
    with Caller(gatehouse.calls_port) as caller:
        assert caller.ask("/open").passes


def test_what_is_no_call_is_told_so(gatehouse):
    assert raw_call(gatehouse, frame(question()), (("content-type", "text/plain"),)).status == 415
    assert raw_call(gatehouse, b"", (("content-type", "application/grpc"),), "GET").first("grpc-status") == "12"


def test_calls_come_by_tls(start, upstream, issuer, tmp_path):
    authority = Authority()
    cert, key = authority.sign("shop.test").files(tmp_path)
    gatehouse = start(
        configuration(issuer, upstream), GATEHOUSE_TRUSTED_IPS="127.0.0.1", GATEHOUSE_SSL_CERT=cert,
        GATEHOUSE_SSL_CERT_KEY=key, GATEHOUSE_EXT_AUTHZ_LISTEN=f"{CALLS_LISTEN} ssl")
    with Caller(gatehouse.calls_port, authority.cert.encode()) as caller:
        assert caller.ask(headers=bearer(issuer)).passes
        assert caller.ask().denied == 401


def test_calls_are_served_without_a_listener_for_traffic(start, upstream, issuer):
    gatehouse = start(configuration(issuer, upstream), GATEHOUSE_PROXY_LISTEN="off", **TRUSTED)
    with Caller(gatehouse.calls_port) as caller:
        assert caller.ask("/open").passes and caller.health() == 1
    line = gatehouse.wait_for_line(lambda line: line.get("message") == "serving")
    assert (line["proxy_listen"], line["ext_authz_listen"]) == ("", f"127.0.0.1:{gatehouse.calls_port}")


# Health

def test_health_is_the_programs(caller, gatehouse):
    assert caller.health() == caller.health("envoy.service.auth.v3.Authorization") == 1
    assert failure(caller.health, "other.Service").code() == grpc.StatusCode.NOT_FOUND
    assert failure(caller.call, HEALTH, b"\xff").code() == grpc.StatusCode.INTERNAL
    assert failure(caller.call, HEALTH, b"x" * 9000).code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_program_that_drains_says_so(start, upstream, issuer):
    gatehouse = start(configuration(issuer, upstream), GATEHOUSE_DRAIN_IDLE_SECONDS="5", **TRUSTED)
    with RawHTTP2(gatehouse.calls_port) as connection:
        connection.until(lambda: connection.acks)
        gatehouse.process.signal(signal.SIGTERM)
        connection.until(lambda: connection.goaway)
        stream = connection.open(request("POST", HEALTH, *ENCODED.items()), end=False)
        connection.data(stream, frame(b""), end=True)
        connection.until(lambda: connection.streams[stream].over)
        assert connection.streams[stream].body == frame(message((1, 2)))


def test_a_watch_tells_of_the_drain_and_ends_with_it(start, upstream, issuer):
    gatehouse = start(configuration(issuer, upstream), GATEHOUSE_DRAIN_SECONDS="300", **TRUSTED)
    with Caller(gatehouse.calls_port) as caller:
        watches = [caller.watch(), caller.watch("envoy.service.auth.v3.Authorization"), caller.watch("other.Service")]
        assert [next(watch) for watch in watches] == [1, 1, 3]
        assert run("reload", environment=gatehouse.environment).returncode == 0
        assert caller.ask("/open").passes
        gatehouse.process.signal(signal.SIGTERM)
        assert [next(watch) for watch in watches[:2]] == [2, 2]
        for watch in watches:
            assert failure(next, watch).code() == grpc.StatusCode.UNAVAILABLE
    gatehouse.process.wait(60)
    lines = [line for line in gatehouse.lines() if line.get("path") == WATCH]
    assert [line["status"] for line in lines] == [200, 200, 200] and not any(line.get("reason") for line in lines)


def test_watches_are_bounded_for_strangers_and_a_cancel_makes_room(start, upstream, issuer):
    """P8"""
    gatehouse = start(configuration(issuer, upstream), **CALLS)
    with Caller(gatehouse.calls_port) as caller:
        watches = [caller.watch() for _ in range(64)]
        assert [next(watch) for watch in watches] == [1] * 64
        assert failure(next, caller.watch()).code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert gatehouse.refusals("too-many-watches") == 1
        assert caller.health() == 1
        watches[7].cancel()
        gatehouse.wait_for_line(lambda line: line.get("path") == WATCH and line["status"] == 200)
        again = caller.watch()
        assert next(again) == 1
        assert failure(next, caller.watch()).code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_watch_waits_for_a_reader_that_has_no_room(gatehouse):
    with RawHTTP2(gatehouse.calls_port, {4: 0}) as connection:
        stream = connection.open(request("POST", WATCH, *ENCODED.items()), end=False)
        connection.data(stream, frame(b""), end=True)
        connection.until(lambda: connection.streams[stream].status)
        gatehouse.process.signal(signal.SIGTERM)
        connection.until(lambda: connection.goaway)
        assert connection.streams[stream].body == b""
        connection.window(stream, 100)
        connection.until(lambda: connection.streams[stream].over)
        answer = connection.streams[stream]
        assert answer.body == frame(message((1, 1))) + frame(message((1, 2)))
        assert dict(answer.trailers)["grpc-status"] == "14" and answer.first("content-length") is None


def test_the_system_finds_out_about_watchers_that_are_gone(gatehouse, caller):
    watch = caller.watch()
    assert next(watch) == 1

    def timers(port: int) -> set[str]:
        rows = [row.split() for row in open("/proc/self/net/tcp", encoding="ascii").readlines()[1:]]
        return {row[5].split(":")[0] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01"}

    # 02: a timer that is neither of retransmission nor of a window; the kernel's for a connection that is kept alive.
    wait_until(lambda: timers(gatehouse.calls_port) == {"02"}, "the socket's timer")


# A real Envoy; test_gateways.py and test_gateway_logins.py ask it the same as all others

@pytest.fixture
def around(upstream, tmp_path):
    """Starts an Envoy that asks a program."""
    started = []

    def begin(kind, gatehouse):
        if kind.missing():
            pytest.fail(kind.missing())
        started.append(kind(tmp_path / kind.name, gatehouse, upstream.port).start())
        return started[-1]

    yield begin
    for gateway in started:
        gateway.stop()


def test_envoy_sends_on_the_query_as_plugins_changed_it(around, gatehouse, upstream):
    """H6: a key in the query stays behind."""
    gateway = around(EnvoyGRPC, gatehouse)
    for asked, seen in [
            (f"/key/x?b=2&apikey={KEY}&a=%20", "/key/x?a=%20&b=2"), (f"/key/x?apikey={KEY}", "/key/x"),
            (f"/key/x?api%6Bey={KEY}&b=2", "/key/x?b=2"), ("/changed?a=1&b=1", "/changed?a=2&added=1&b=1"),
            ("/open?b=2&a=1&a=2", "/open?b=2&a=1&a=2")]:
        assert httpx.get(gateway.url + asked).status_code == 200, asked
        assert upstream.last.target == seen


def test_envoys_log_says_who_it_was(around, gatehouse, issuer):
    gateway = around(EnvoyGRPC, gatehouse)
    token = bearer(issuer)
    assert httpx.get(gateway.url + "/api/x", headers=token).status_code == 200
    assert httpx.get(gateway.url + "/key/x", headers={"apikey": KEY}).status_code == 200
    wait_until(lambda: '"consumer":"ben"' in gateway.process.said(), "Envoy's log has the consumer")
    said = gateway.process.said()
    assert '"sub":"alice-id"' in said and f'"issuer":"{issuer.url}"' in said
    assert token["authorization"].split()[1] not in said


@pytest.mark.parametrize("kind", [Envoy, EnvoyGRPC], ids=lambda kind: kind.name)
def test_a_client_of_grpc_behind_envoy_reads_a_grpc_status(around, kind, gatehouse, upstream):
    """P5: and nothing passes."""
    gateway = around(kind, gatehouse)
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        for path, code in (("/api/Method", grpc.StatusCode.UNAUTHENTICATED),
                           ("/near/Method", grpc.StatusCode.PERMISSION_DENIED),
                           ("/nowhere/Method", grpc.StatusCode.PERMISSION_DENIED)):
            error = failure(channel.unary_unary(path), b"", timeout=10)
            assert error.code() == code, path
        error = failure(channel.unary_unary("/api/Method"), b"", timeout=10)
        assert error.details() == "Unauthorized"
    assert upstream.seen == []


def test_a_certificate_that_envoy_was_shown_proves_a_consumer(around, start, upstream, tmp_path):
    authority, identity = Authority(), "6d3b21f1-4f1c-4f73-9a64-2f6a3a1a8e01"
    gatehouse = start({
        "ca_certificates": [{"id": identity, "cert": authority.cert}],
        "services": [service(upstream.url, route("mine", "/", plugins=[plugin(
            "mtls-auth", ca_certificates=[identity], revocation_check_mode="SKIP")]))],
        "consumers": [{"username": "ann.test"}]}, **TRUSTED)
    shown, (cert, key) = authority.sign("ann.test").files(tmp_path), authority.sign("localhost").files(tmp_path)

    class Secure(EnvoyGRPC):
        def text(self) -> str:
            context = (
                "{'@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, "
                f"common_tls_context: {{tls_certificates: [{{certificate_chain: {{filename: {cert}}}, "
                f"private_key: {{filename: {key}}}}}], "
                "validation_context: {trust_chain_verification: ACCEPT_UNTRUSTED}}}")
            return super().text().replace(
                "        - filters:\n", "        - transport_socket: {name: tls, typed_config: " + context + "}\n          filters:\n")

    gateway = around(Secure, gatehouse)

    def status(files: tuple[str, str] | None) -> int:
        context = ssl._create_unverified_context()
        if files:
            context.load_cert_chain(*files)
        return httpx.get(f"https://127.0.0.1:{gateway.port}/", verify=context).status_code

    assert status(shown) == 200
    assert upstream.last.all("x-consumer-username") == ["ann.test"]
    assert status(Authority("Other").sign("ann.test").files(tmp_path)) == 401
    assert status(None) == 401
