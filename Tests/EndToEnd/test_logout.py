"""Logouts: by the user, by the issuer's call, in the issuer's frame; and what they end."""
import contextlib
import os
import secrets
import signal
import threading
import time
from concurrent import futures

import grpc
import httpx
import pytest
import websockets.exceptions

from support import issuer as trouble
from support import ledger
from support.browser import NAVIGATION
from support.gatehouse import Gatehouse, openid_connect, route, run, service
from support.http2 import CANCEL, RawHTTP2, request
from support.issuer import changed
from support.processes import free_port, wait_until
from support.tokens import Key, now, tampered, unsigned, with_secret
from test_grpc import Echo as GRPCEcho
from test_stream_end import first_then
from test_upgrade import Echo, connect

EVENT = "http://schemas.openid.net/event/backchannel-logout"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


def configuration(issuer, address: str, **config) -> dict:
    return {"services": [service(address, route("app", "/", plugins=[openid_connect(issuer, **config)]))]}


def logout_claims(issuer, **claims) -> dict:
    """The claims of a good logout token, changed; None leaves one out."""
    usual = {"iss": issuer.url, "aud": issuer.client_id, "iat": now(), "exp": now() + 60, "sub": issuer.user["sub"],
             "jti": secrets.token_hex(8), "events": {EVENT: {}}}
    return changed(usual, claims)


def logout_token(issuer, typ: str = "logout+jwt", **claims) -> str:
    return ledger.keep(issuer.keys[0].sign(logout_claims(issuer, **claims), typ=typ), "logout token")


def tell(gatehouse, token: str, **more) -> httpx.Response:
    """The issuer's call."""
    return httpx.post(f"{gatehouse.url}/oauth2/backchannel-logout", data={"logout_token": token}, timeout=20, **more)


def cookies(browser) -> dict[str, str]:
    """The browser's cookies as a thief would send them."""
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())}


def status(gatehouse, fields: dict, path: str = "/") -> int:
    return httpx.get(gatehouse.url + path, headers={"Accept": "application/json", **fields}, timeout=20).status_code


def logged_in(gatehouse, light, path: str = "/"):
    browser = light()
    assert browser.follow(gatehouse.url + path).status_code == 200
    return browser


# Back channel

def test_a_back_channel_logout_ends_sessions_in_cookies(start, upstream, issuer, light):
    """S7, V4, V6, complaint 11: the session of the `sid`, on every worker, for every copy of its cookie; no other."""
    gatehouse = start(configuration(issuer, upstream.url))
    issuer.claims = {"sid": "first"}
    first = logged_in(gatehouse, light)
    issuer.claims = {"sid": "second"}
    second = logged_in(gatehouse, light)
    answer = tell(gatehouse, logout_token(issuer, sid="first"))
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["cache-control"] == "no-store"
    for _ in range(8):
        with httpx.Client(headers=cookies(first)) as client:
            assert client.get(gatehouse.url, headers={"Accept": "application/json"}).status_code == 401
    assert status(gatehouse, cookies(second)) == 200
    assert gatehouse.refusals("session-ended") >= 8
    assert gatehouse.metric("gatehouse_logouts_total", kind="back-channel", outcome="ended") == 1
    assert gatehouse.metric("gatehouse_ended_sessions") == 1
    # A browser is led to a new login, which is a session of its own.
    issuer.claims = {"sid": "third"}
    assert first.follow(gatehouse.url).status_code == 200


def test_a_logout_of_the_user_ends_all_that_began_before(start, upstream, issuer, light):
    """S7: one that comes late ends no newer session."""
    gatehouse = start(configuration(issuer, upstream.url))
    browsers = [logged_in(gatehouse, light) for _ in range(3)]
    issuer.user["sub"] = "bob-id"
    other = logged_in(gatehouse, light)
    issuer.user["sub"] = "alice-id"
    late = logout_token(issuer, iat=now() - 60)
    assert tell(gatehouse, late).status_code == 200
    assert [status(gatehouse, cookies(browser)) for browser in browsers] == [200] * 3
    assert tell(gatehouse, logout_token(issuer)).status_code == 200
    assert [status(gatehouse, cookies(browser)) for browser in browsers] == [401] * 3
    assert status(gatehouse, cookies(other)) == 200


HOSTILE = {
    "another issuer's": (lambda i: logout_token(i, iss="http://127.0.0.1:1"), "wrong-issuer"),
    "another client's": (lambda i: logout_token(i, aud="another"), "wrong-audience"),
    "another client's beside us": (lambda i: logout_token(i, aud=["app", "another"]), "wrong-audience"),
    "without iat": (lambda i: logout_token(i, iat=None), "missing-claim"),
    "an old one": (lambda i: logout_token(i, iat=now() - 130), "issued-too-long-ago"),
    "an old one without exp": (lambda i: logout_token(i, iat=now() - 130, exp=None), "issued-too-long-ago"),
    "of the future": (lambda i: logout_token(i, iat=now() + 70), "issued-in-future"),
    "expired": (lambda i: logout_token(i, exp=now() - 20), "expired"),
    "with a long life": (lambda i: logout_token(i, exp=now() + 200), "expires-too-late"),
    "without events": (lambda i: logout_token(i, events=None), "missing-claim"),
    "of another event": (lambda i: logout_token(i, events={"https://example.com/x": {}}), "wrong-event"),
    "with a nonce": (lambda i: logout_token(i, nonce="n"), "wrong-type"),
    "about nobody": (lambda i: logout_token(i, sub=None), "missing-claim"),
    "without jti": (lambda i: logout_token(i, jti=None), "missing-claim"),
    "typed as an access token": (lambda i: logout_token(i, typ="at+jwt"), "wrong-type"),
    "an ID token": (lambda i: i.id_token("n"), "expires-too-late"),
    "an access token": (lambda i: i.access_token(), "wrong-type"),
    "of alg none": (lambda i: unsigned(logout_claims(i)), "unsupported-algorithm"),
    "of HS256 with the client's secret": (
        lambda i: with_secret(logout_claims(i), i.client_secret.encode(), i.keys[0].kid), "algorithm-not-allowed"),
    "of HS256 with the public key": (
        lambda i: with_secret(logout_claims(i), i.keys[0].public_pem(), i.keys[0].kid), "algorithm-not-allowed"),
    "signed by a stranger": (lambda i: Key(i.keys[0].kid).sign(logout_claims(i), typ="logout+jwt"), "bad-signature"),
    "of an unknown key": (lambda i: Key("nobody").sign(logout_claims(i), typ="logout+jwt"), "unknown-key"),
    "tampered with": (lambda i: tampered(logout_token(i)), "bad-signature"),
    "no token": (lambda i: "no.token", "malformed"),
    "a long text": (lambda i: "x" * 40_000, "too-large"),
}


def test_a_hostile_logout_token_ends_nothing_and_has_a_word_of_its_own(start, upstream, issuer, light):
    """S7, V16, B10: 400, nothing told to the caller, the rule's word in the log, and everybody stays."""
    gatehouse = start(configuration(issuer, upstream.url))
    browser = logged_in(gatehouse, light)
    for name, (make, word) in HOSTILE.items():
        before = gatehouse.refusals(word)
        answer = tell(gatehouse, make(issuer))
        assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"}), name
        assert answer.headers["cache-control"] == "no-store", name
        assert gatehouse.refusals(word) == before + 1, name
        assert status(gatehouse, cookies(browser)) == 200, name
    line = gatehouse.wait_for_line(lambda line: line.get("reason") == "wrong-event")
    assert line["status"] == 400 and "events" in line["detail"]


def test_a_logout_token_counts_once(start, upstream, issuer, light):
    """S7: shown again after a new login, it ends nothing."""
    gatehouse = start(configuration(issuer, upstream.url))
    browser = logged_in(gatehouse, light)
    token = logout_token(issuer)
    assert tell(gatehouse, token).status_code == 200
    assert status(gatehouse, cookies(browser)) == 401
    assert [tell(gatehouse, token).status_code for _ in range(3)] == [400] * 3
    assert gatehouse.refusals("token-replayed") == 3


@pytest.mark.parametrize("send, expected", [
    (lambda url, token: httpx.post(url, json={"logout_token": token}), 400),
    (lambda url, token: httpx.post(url, content=f"logout_token={token}"), 400),
    (lambda url, token: httpx.post(url, data={"logout_token": [token, token]}), 400),
    (lambda url, token: httpx.post(url, data={}), 400),
    (lambda url, token: httpx.get(url, params={"logout_token": token}), 405),
    (lambda url, token: httpx.put(url, data={"logout_token": token}), 405),
])
def test_only_a_form_with_one_token_is_taken(start, upstream, issuer, light, send, expected):
    """S6: parameters that are there twice, or in the address, are none."""
    gatehouse = start(configuration(issuer, upstream.url))
    browser = logged_in(gatehouse, light)
    assert send(f"{gatehouse.url}/oauth2/backchannel-logout", logout_token(issuer)).status_code == expected
    assert status(gatehouse, cookies(browser)) == 200


def test_without_the_issuers_keys_a_logout_may_be_told_again(start, upstream, issuer):
    """503 says that it was not the token."""
    issuer.trouble["/jwks"] = trouble.status(500)
    gatehouse = start(configuration(issuer, upstream.url))
    token = logout_token(issuer)
    answer = tell(gatehouse, token)
    assert answer.status_code == 503 and answer.headers["retry-after"]
    issuer.trouble.clear()
    wait_until(lambda: tell(gatehouse, token).status_code == 200, "the logout is taken", 40)


def test_made_up_tokens_make_no_load_for_the_issuer(start, upstream, issuer, light):
    """J10, D7: of a flood of tokens with unknown keys, one or two ask for keys."""
    gatehouse = start(configuration(issuer, upstream.url))
    browser = logged_in(gatehouse, light)
    before = issuer.count("/jwks")
    stranger = Key("x")
    for number in range(50):
        token = stranger.sign(logout_claims(issuer), kid=f"made-up-{number}", typ="logout+jwt")
        assert tell(gatehouse, token).status_code == 400
    assert issuer.count("/jwks") - before <= 2
    assert status(gatehouse, cookies(browser)) == 200


# What stays

@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_logout_outlives_the_program(start, upstream, issuer, light, end):
    """V4, S4: by the issuer and by the user; a copy of the cookie that nobody has shown meanwhile opens nothing."""
    gatehouse = start(configuration(issuer, upstream.url))
    issuer.claims = {"sid": "one"}
    told = logged_in(gatehouse, light)
    issuer.claims = {"sid": "two"}
    signed_out = logged_in(gatehouse, light)
    issuer.claims = {"sid": "three"}
    stays = logged_in(gatehouse, light)
    stolen = cookies(signed_out)
    assert tell(gatehouse, logout_token(issuer, sid="one")).status_code == 200
    answer = signed_out.client.post(f"{gatehouse.url}/oauth2/sign_out", headers=SAME_ORIGIN)
    assert answer.status_code == 303
    gatehouse.process.popen.send_signal(end)
    gatehouse.process.popen.wait(20)
    gatehouse.start()
    assert status(gatehouse, cookies(told)) == 401
    assert status(gatehouse, stolen) == 401
    assert status(gatehouse, cookies(stays)) == 200


def test_killed_at_any_moment_what_was_confirmed_has_ended(start, upstream, issuer, light):
    """D13: kill -9 among logouts; each that was answered by 200 is kept, and each start succeeds."""
    gatehouse = start(configuration(issuer, upstream.url))
    for turn in range(6):
        browsers = []
        for number in range(12):
            issuer.claims = {"sid": f"{turn}-{number}"}
            browsers.append(logged_in(gatehouse, light))
        confirmed: list[int] = []

        def end(number: int, turn=turn, confirmed=confirmed):
            with contextlib.suppress(httpx.TransportError):
                if tell(gatehouse, logout_token(issuer, sid=f"{turn}-{number}")).status_code == 200:
                    confirmed.append(number)

        threads = [threading.Thread(target=end, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        time.sleep(0.004 * turn)  # Another moment each turn: the kill is the event.
        gatehouse.process.kill()
        for thread in threads:
            thread.join()
        gatehouse.start()
        assert all(status(gatehouse, cookies(browsers[number])) == 401 for number in confirmed)
    assert not [name for name in os.listdir(gatehouse.folder / "data") if name.endswith(".new")]


def test_a_torn_line_is_said_and_costs_no_start(start, upstream, issuer, light):
    gatehouse = start(configuration(issuer, upstream.url))
    browser = logged_in(gatehouse, light)
    assert tell(gatehouse, logout_token(issuer)).status_code == 200
    gatehouse.stop()
    with (gatehouse.folder / "data/ended-sessions").open("a") as file:
        file.write("e1 0123")
    gatehouse.start()
    assert "the last line was cut off" in gatehouse.text()
    assert status(gatehouse, cookies(browser)) == 401
    file = gatehouse.folder / "data/ended-sessions"
    wait_until(lambda: file.read_text().endswith("\n"), "the file is mended")
    assert file.stat().st_mode & 0o777 == 0o600 and "alice" not in file.read_text()


def test_a_logout_during_a_takeover_reaches_both_programs(start, upstream, issuer, light):
    """The older program still answers on its connections, and still may be told."""
    gatehouse = start(configuration(issuer, upstream.url), GATEHOUSE_DRAIN_SECONDS="20")
    issuer.claims = {"sid": "one"}
    first = logged_in(gatehouse, light)
    issuer.claims = {"sid": "two"}
    second = logged_in(gatehouse, light)
    with httpx.stream("GET", gatehouse.url + "/?drip=400", headers=cookies(second), timeout=20) as busy:
        assert busy.status_code == 200
        gatehouse.succeed()
        assert tell(gatehouse, logout_token(issuer, sid="one")).status_code == 200
        assert status(gatehouse, cookies(first)) == 401
        # The younger program is told; the stream is the older one's.
        assert tell(gatehouse, logout_token(issuer, sid="two")).status_code == 200
        begun = time.monotonic()
        with pytest.raises(httpx.TransportError):
            busy.read()
        assert time.monotonic() - begun < 3


# Streams

def test_an_answer_without_end_ends_with_its_session(start, upstream, issuer, light):
    """The stream of the session that ended, on whichever worker, within a second; others go on."""
    gatehouse = start(configuration(issuer, upstream.url))
    issuer.claims = {"sid": "one"}
    ended = [logged_in(gatehouse, light) for _ in range(3)]
    issuer.claims = {"sid": "two"}
    stays = logged_in(gatehouse, light)
    with contextlib.ExitStack() as stack:
        def stream(browser, seconds: int) -> httpx.Response:
            answer = stack.enter_context(httpx.stream(
                "GET", f"{gatehouse.url}/?drip={seconds * 10}", headers=cookies(browser), timeout=30))
            assert answer.status_code == 200
            return answer

        streams, other = [stream(browser, 100) for browser in ended], stream(stays, 4)
        assert tell(gatehouse, logout_token(issuer, sid="one")).status_code == 200
        begun = time.monotonic()
        for answer in streams:
            with pytest.raises(httpx.TransportError):
                answer.read()
        assert time.monotonic() - begun < 1.5
        assert other.read().count(b"\n") == 40
    lines = [line for line in gatehouse.whole_lines() if line.get("reason") == "identity-ended"]
    assert len(lines) == 3 and all(line["broken_off"] for line in lines)


def test_an_answer_that_had_not_begun_does_not_escape(start, upstream, issuer, light):
    """A stream whose head comes after the logout ends soon after it has begun."""
    gatehouse = start(configuration(issuer, upstream.url))
    browser = logged_in(gatehouse, light)
    answers: list = []

    def ask():
        try:
            answers.append(httpx.get(
                gatehouse.url + "/?wait=1.5&drip=200", headers=cookies(browser), timeout=30).status_code)
        except httpx.TransportError as error:
            answers.append(error)

    before = len(upstream.seen)
    thread = threading.Thread(target=ask)
    thread.start()
    wait_until(lambda: len(upstream.seen) > before, "the request is at the upstream")
    assert tell(gatehouse, logout_token(issuer)).status_code == 200
    thread.join(10)
    assert len(answers) == 1 and isinstance(answers[0], httpx.TransportError)


def test_signing_out_ends_the_streams_of_the_session(start, upstream, issuer, light):
    gatehouse = start(configuration(issuer, upstream.url))
    browser = logged_in(gatehouse, light)
    with httpx.stream("GET", gatehouse.url + "/?drip=300", headers=cookies(browser), timeout=30) as answer:
        assert browser.client.post(f"{gatehouse.url}/oauth2/sign_out", headers=SAME_ORIGIN).status_code == 303
        begun = time.monotonic()
        with pytest.raises(httpx.TransportError):
            answer.read()
        assert time.monotonic() - begun < 1.5


def test_a_web_socket_is_told_that_its_session_has_ended(start, issuer, light):
    """Close code 1008."""
    echo = Echo()
    try:
        gatehouse = start(configuration(issuer, f"http://127.0.0.1:{echo.port}"))
        browser = light()
        browser.open(browser.to_callback(gatehouse.url))
        with connect(gatehouse, additional_headers=cookies(browser)) as client:
            client.send("before")
            assert client.recv(timeout=10) == "before"
            assert tell(gatehouse, logout_token(issuer)).status_code == 200
            begun = time.monotonic()
            with pytest.raises(websockets.exceptions.ConnectionClosedError) as caught:
                client.recv(timeout=10)
            assert caught.value.rcvd.code == 1008 and time.monotonic() - begun < 1.5
    finally:
        echo.server.shutdown()


def test_a_stream_of_http2_is_reset_alone(tmp_path, upstream, issuer, light):
    program = Gatehouse(tmp_path / "g", configuration(issuer, upstream.url))
    program.environment["GATEHOUSE_PROXY_LISTEN"] += " http2"
    with program, RawHTTP2(program.port) as client:
        issuer.claims = {"sid": "one"}
        ended = cookies(logged_in(program, light))["Cookie"]
        issuer.claims = {"sid": "two"}
        stays = cookies(logged_in(program, light))["Cookie"]
        stream = client.open(request("GET", "/?drip=100", ("cookie", ended)))
        assert client.get("/", ("cookie", stays)).status == 200
        assert tell(program, logout_token(issuer, sid="one")).status_code == 200
        answer = client.finish(stream)
        assert answer.status == 200 and answer.reset == CANCEL
        assert client.get("/", ("cookie", stays)).status == 200


def test_a_call_of_grpc_gets_its_status(tmp_path, issuer, light):
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[GRPCEcho()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        plugins = [openid_connect(issuer)]
        program = Gatehouse(tmp_path / "g", {"services": [{
            "name": "echo", "protocol": "grpc", "host": "127.0.0.1", "port": port, "plugins": plugins,
            "routes": [{"name": "g", "protocols": ["grpc"], "paths": ["/echo.Echo"]}]}]})
        program.environment["GATEHOUSE_PROXY_LISTEN"] += " http2"
        with program, grpc.insecure_channel(f"127.0.0.1:{program.port}") as channel:
            browser = light()
            out = browser.open(f"{program.url}/oauth2/start?rd=%2Fecho.Echo%2FBoth")
            browser.open(browser.open(out.headers["location"]).headers["location"])
            idle = iter(lambda: futures.Future().result(timeout=30), None)
            answers = channel.stream_stream("/echo.Echo/Both")(
                first_then(b"hello", idle), metadata=[("cookie", cookies(browser)["Cookie"])], timeout=20)
            assert next(answers) == b"hello"
            assert tell(program, logout_token(issuer)).status_code == 200
            with pytest.raises(grpc.RpcError) as caught:
                next(answers)
            assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    finally:
        server.stop(0).wait()


# Tokens and Kong's fields

def test_tokens_are_given_back_beside_the_logout(start, upstream, issuer, light):
    """RFC 7009: an issuer that hangs or refuses keeps nobody waiting and nobody logged in."""
    issuer.metadata = {"revocation_endpoint": issuer.url + "/revoke"}
    issuer.trouble["/revoke"] = lambda handler: handler.json(200, {})
    gatehouse = start(configuration(issuer, upstream.url, logout_revoke=True, timeout=1500))
    browser = logged_in(gatehouse, light)
    stolen = cookies(browser)
    answer = browser.client.post(f"{gatehouse.url}/oauth2/sign_out", headers=SAME_ORIGIN)
    assert answer.status_code == 303 and answer.headers["location"].startswith(issuer.url + "/end_session?")
    wait_until(lambda: issuer.count("/revoke") == 2, "both tokens are given back")
    asked = [one for one in issuer.asked if one.path == "/revoke"]
    assert [one.form["token_type_hint"] for one in asked] == ["refresh_token", "access_token"]
    assert all(one.fields["Authorization"].startswith("Basic ") for one in asked)
    assert status(gatehouse, stolen) == 401
    issuer.trouble["/revoke"] = trouble.never
    hanging = logged_in(gatehouse, light)
    stolen, begun = cookies(hanging), time.monotonic()
    assert hanging.client.post(f"{gatehouse.url}/oauth2/sign_out", headers=SAME_ORIGIN).status_code == 303
    assert time.monotonic() - begun < 1 and status(gatehouse, stolen) == 401
    wait_until(lambda: gatehouse.metric(
        "gatehouse_fetches_total", kind="revocation", outcome="issuer-timed-out") >= 1, "the failure is counted")


def test_a_logout_in_kongs_words(start, upstream, issuer, light):
    """`logout_uri_suffix`: a page of the application posts there; a link elsewhere does nothing (K9)."""
    gatehouse = start(configuration(issuer, upstream.url, logout_uri_suffix="/logout", logout_methods=["GET", "POST"]))
    browser = logged_in(gatehouse, light)
    page = httpx.get(gatehouse.url + "/app/logout", headers={**NAVIGATION, **cookies(browser), "Sec-Fetch-Site": "cross-site"})
    assert page.status_code == 200 and "/oauth2/sign_out" in page.text and "set-cookie" not in page.headers
    for fields in [{}, {"Origin": "http://evil.test"}, {"Sec-Fetch-Site": "same-site"}]:
        assert httpx.post(gatehouse.url + "/app/logout", headers={**cookies(browser), **fields}).status_code == 403
    assert status(gatehouse, cookies(browser)) == 200
    before, stolen = len(upstream.seen), cookies(browser)
    answer = httpx.post(gatehouse.url + "/app/logout", headers={**stolen, "Origin": gatehouse.url})
    assert answer.status_code == 303 and "id_token_hint=" in answer.headers["location"]
    assert len(upstream.seen) == before
    assert status(gatehouse, stolen) == 401


# Front channel

def test_a_front_channel_logout_clears_the_cookies_own_session(start, upstream, issuer, light):
    """S7: without a cookie nothing ends; with one, that session alone, if it is the one."""
    gatehouse = start(configuration(issuer, upstream.url))
    issuer.claims = {"sid": "one"}
    browser, other = logged_in(gatehouse, light), logged_in(gatehouse, light)
    stolen = cookies(browser)
    address = f"{gatehouse.url}/oauth2/frontchannel-logout"
    right = {"iss": issuer.url, "sid": "one"}
    assert httpx.get(address, params=right).status_code == 200
    assert browser.client.get(address, params={**right, "sid": "two"}).status_code == 200
    assert httpx.get(address, params={"iss": issuer.url}).status_code == 400
    assert httpx.get(address, params={**right, "iss": "http://evil.test"}).status_code == 400
    assert status(gatehouse, stolen) == 200
    answer = browser.client.get(address, params=right)
    assert answer.status_code == 200 and "x-frame-options" not in answer.headers
    assert f"frame-ancestors {issuer.origin};" in answer.headers["content-security-policy"]
    assert not [name for name in browser.cookies if "session-" in name]
    assert status(gatehouse, stolen) == 401 and status(gatehouse, cookies(other)) == 200


def test_two_nodes_without_a_shared_store_end_their_own(start, upstream, issuer, light, tmp_path):
    """What is documented: nodes that share keys alone do not know of each other's logouts."""
    one = start(configuration(issuer, upstream.url), GATEHOUSE_KEYS_DIR=str(tmp_path / "keys"))
    other = start(configuration(issuer, upstream.url), GATEHOUSE_KEYS_DIR=str(tmp_path / "keys"), port=free_port())
    browser = logged_in(one, light)
    assert status(other, cookies(browser)) == 200
    assert tell(one, logout_token(issuer)).status_code == 200
    assert (status(one, cookies(browser)), status(other, cookies(browser))) == (401, 200)


# By the operator

def test_an_operator_ends_a_users_sessions_or_all(start, upstream, issuer, light):
    """V5: by `gatehouse sessions end`, at once, for good, with their streams."""
    gatehouse = start(configuration(issuer, upstream.url))
    issuer.claims = {"sid": "one"}
    first = logged_in(gatehouse, light)
    issuer.claims = {"sid": "two"}
    second = logged_in(gatehouse, light)
    issuer.user["sub"] = "bob-id"
    other = logged_in(gatehouse, light)

    def end(*words: str):
        return run("sessions", "end", "--data-dir", str(gatehouse.folder / "data"), *words)

    assert end("--issuer", issuer.url, "--sid", "one").returncode == 0
    assert [status(gatehouse, cookies(browser)) for browser in (first, second, other)] == [401, 200, 200]
    with httpx.stream("GET", gatehouse.url + "/?drip=300", headers=cookies(second), timeout=30) as stream:
        assert end("--issuer", issuer.url, "--subject", "alice-id").stdout == "ended\n"
        with pytest.raises(httpx.TransportError):
            stream.read()
    assert [status(gatehouse, cookies(browser)) for browser in (second, other)] == [401, 200]
    assert end("--all").returncode == 0
    assert status(gatehouse, cookies(other)) == 401
    gatehouse.stop()
    assert end("--all").returncode == 1
    gatehouse.start()
    assert status(gatehouse, cookies(other)) == 401

    def comes_in() -> bool:
        with contextlib.suppress(RuntimeError):
            return light().follow(gatehouse.url).status_code == 200
        return False

    # A second later everybody may come in again.
    wait_until(comes_in, "a new login", 10)


@pytest.mark.parametrize("words", [
    [], ["--subject", "s"], ["--sid", "s"], ["--all", "--issuer", "https://id.test"], ["--all", "--subject", "s"],
    ["--issuer", "https://id.test", "--subject", "s", "--sid", "s"]])
def test_whose_sessions_are_meant_has_to_be_said(words):
    assert run("sessions", "end", *words).returncode == 2


# Nodes that share a store

def nodes(start, issuer, upstream, redis, tmp_path, **config) -> tuple[Gatehouse, Gatehouse]:
    """Two nodes with the same keys and the same Redis."""
    shared = {"GATEHOUSE_KEYS_DIR": str(tmp_path / "keys"), "GATEHOUSE_SESSION_STORE": redis.url}
    made = [start(configuration(issuer, upstream.url, **config), **shared) for _ in range(2)]
    return made[0], made[1]


@pytest.mark.parametrize("storage", ["cookie", "redis"])
def test_nodes_with_a_redis_hear_of_logouts_within_a_second(
        start, upstream, issuer, light, redis, tmp_path, storage):
    """V4, V6, D9: the issuer calls one node; sessions and their streams end on both, in cookies and in the store."""
    config = {"session_storage": "cookie"} if storage == "cookie" else {}
    one, other = nodes(start, issuer, upstream, redis, tmp_path, **config)
    issuer.claims = {"sid": "first"}
    first = logged_in(one, light)
    issuer.claims = {"sid": "second"}
    second = logged_in(other, light)
    assert [status(node, cookies(browser)) for node in (one, other) for browser in (first, second)] == [200] * 4
    with httpx.stream("GET", other.url + "/?drip=300", headers=cookies(first), timeout=30) as stream:
        assert tell(one, logout_token(issuer, sid="first")).status_code == 200
        begun = time.monotonic()
        wait_until(lambda: status(other, cookies(first)) == 401, "the other node has heard of it", 5)
        assert time.monotonic() - begun < 1.5
        with pytest.raises(httpx.TransportError):
            stream.read()
        assert time.monotonic() - begun < 2.5
    assert status(one, cookies(first)) == 401
    assert [status(node, cookies(second)) for node in (one, other)] == [200, 200]
    # A sign-out is told as well.
    stolen = cookies(second)
    assert second.client.post(f"{other.url}/oauth2/sign_out", headers=SAME_ORIGIN).status_code == 303
    wait_until(lambda: status(one, stolen) == 401, "the first node has heard of it", 5)


def test_a_node_that_comes_later_knows_what_ended_before(start, upstream, issuer, light, redis, tmp_path):
    """V4: one with an empty data_dir, too."""
    one, other = nodes(start, issuer, upstream, redis, tmp_path, session_storage="cookie")
    browser = logged_in(one, light)
    other.stop()
    assert tell(one, logout_token(issuer)).status_code == 200
    file = other.folder / "data/ended-sessions"
    file.unlink()
    other.start()
    assert status(other, cookies(browser)) == 401
    assert file.stat().st_size > 0


def test_while_the_store_is_down_a_logout_is_in_force_here_and_asked_for_again(
        start, upstream, issuer, light, redis, tmp_path):
    """The issuer hears 503: other nodes do not know yet. They do once the store is back, whoever told it."""
    one, other = nodes(start, issuer, upstream, redis, tmp_path, session_storage="cookie")
    browser = logged_in(one, light)
    redis.kill()
    token = logout_token(issuer)
    answer = tell(one, token)
    assert answer.status_code == 503 and answer.headers["retry-after"]
    assert one.refusals("logout-not-kept") == 1
    assert (status(one, cookies(browser)), status(other, cookies(browser))) == (401, 200)
    redis.start()
    wait_until(lambda: status(other, cookies(browser)) == 401, "the other node has heard of it", 10)
    assert tell(one, token).status_code == 200
