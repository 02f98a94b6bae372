"""Logins, sessions and identities through other people's gateways; who may ask, and what happens when nobody answers."""
import concurrent.futures
import secrets
import signal
import threading

import httpx
import pytest

from support.gatehouse import CALLS, openid_connect, route, service
from support.gateways import ALL, Caddy, Envoy, EnvoyGRPC, Nginx
from support.processes import wait_until

TRUSTED = {"GATEHOUSE_TRUSTED_IPS": "127.0.0.1/32", **CALLS}
CALLOUTS = ("/oauth2/auth", "/oauth2/forward-auth", "/oauth2/ext-authz/api", "/oauth2/ext-authz")


def configuration(issuer, upstream) -> dict:
    fields = {"upstream_headers_claims": ["email"], "upstream_headers_names": ["X-User-Email"],
              "scopes": ["openid", "email", "offline_access"],
              "auth_methods": ["authorization_code", "session", "refresh_token", "bearer"]}
    return {"services": [service(
        upstream.url, route("open", "/open"), route("api", "/api", plugins=[openid_connect(issuer, **fields)]))]}


@pytest.fixture(params=ALL, ids=lambda kind: kind.name)
def kind(request):
    """Each gateway in turn."""
    if request.param.missing():
        pytest.fail(request.param.missing())
    return request.param


@pytest.fixture
def before(upstream, tmp_path):
    """Starts a gateway that asks a program."""
    started = []

    def begin(kind, gatehouse):
        started.append(kind(tmp_path / f"{kind.name}-{len(started)}", gatehouse, upstream.port).start())
        return started[-1]

    yield begin
    for gateway in started:
        gateway.stop()


@pytest.fixture
def gatehouse(start, upstream, issuer):
    return start(configuration(issuer, upstream), **TRUSTED)


@pytest.fixture
def gateway(kind, before, gatehouse):
    return before(kind, gatehouse)


def test_a_login_lands_where_it_began(gateway, light, upstream):
    """H6: the application learns who it is, and sees no cookie of ours."""
    browser = light()
    page = browser.follow(gateway.url + "/api/wanted?x=1&y=%20")
    assert (page.status_code, page.json()["target"]) == (200, "/api/wanted?x=1&y=%20")
    assert upstream.last.all("x-auth-request-user") == ["alice-id"]
    assert upstream.last.all("x-user-email") == ["alice@example.test"]
    assert upstream.last.all("authorization")[0].startswith("Bearer ")
    assert [value for value in upstream.last.all("cookie") if value] == []
    before = len(upstream.seen)
    assert browser.open(gateway.url + "/api/again").status_code == 200
    assert len(upstream.seen) == before + 1


@pytest.mark.parametrize("kind", [Nginx, Caddy, Envoy, EnvoyGRPC], ids=lambda kind: kind.name)
def test_a_real_browser_logs_in(kind, before, gatehouse, browser):
    """Headless Chromium, by redirects alone."""
    if kind.missing():
        pytest.fail(kind.missing())
    gateway = before(kind, gatehouse)
    browser.open(gateway.url + "/api/wanted?x=1")
    wait_until(lambda: browser.address == gateway.url + "/api/wanted?x=1", "the page that was wanted")
    assert '"target": "/api/wanted?x=1"' in browser.text
    browser.open(gateway.url + "/api/next")
    assert '"target": "/api/next"' in browser.text


def test_a_session_that_is_renewed_reaches_the_browser_whole(kind, before, start, upstream, issuer, light):
    """H6: its tokens end, they are refreshed on the way, all of its cookies arrive, and the application sees none."""
    issuer.claims = {"padding": secrets.token_hex(900)}
    issuer.access_seconds = 2
    gateway = before(kind, start(configuration(issuer, upstream), **TRUSTED))
    browser = light()
    assert browser.follow(gateway.url + "/api/x").status_code == 200
    parts = {name for name in browser.cookies if name.startswith("session-")}
    assert len(parts) >= 2
    issuer.access_seconds = 600

    def renewed() -> list[str]:
        answer = browser.open(gateway.url + "/api/x")
        assert answer.status_code == 200
        return [line.split("=")[0] for line in answer.headers.get_list("set-cookie") if "=" in line]

    assert set(wait_until(renewed, "the session is renewed")) == parts
    assert browser.open(gateway.url + "/api/x").status_code == 200
    assert sum(asked.form.get("grant_type") == "refresh_token" for asked in issuer.asked) == 1
    assert not [name for one in upstream.seen for name, value in one.fields if "set-cookie" in name.lower() and value]


def test_who_is_no_browser_is_told_how_to_prove_it(gateway, upstream):
    answer = httpx.get(gateway.url + "/api/x", headers={"Accept": "application/json"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer realm=")
    assert upstream.seen == []


def test_nobody_outside_asks_for_a_verdict(gateway, issuer):
    """P1: the gateway is trusted, its clients are not."""
    fields = {"Authorization": f"Bearer {issuer.access_token()}", "X-Original-URL": gateway.url + "/open",
              "X-Forwarded-Uri": "/open"}
    for path in CALLOUTS:
        answer = httpx.get(gateway.url + path, headers=fields)
        assert answer.status_code in (403, 404), path
        assert not [name for name in answer.headers if name.startswith("x-auth-request")]


def test_users_side_by_side_are_not_confused(gateway, issuer):
    """H4: 400 requests of 40 users, eight at a time; each answer is its asker's."""
    users = {f"user-{number}": issuer.access_token(subject=f"user-{number}", email=f"{number}@example.test")
             for number in range(40)}

    def ask(number: int) -> bool:
        name = f"user-{number % len(users)}"
        answer = client.get(gateway.url + f"/api/{number}", headers={"Authorization": f"Bearer {users[name]}"})
        seen = answer.json()["headers"]
        return (seen["x-auth-request-user"], seen["x-user-email"]) == (name, f"{number % len(users)}@example.test")

    with httpx.Client(timeout=30) as client, concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(400)))


def test_a_gateway_that_is_not_listed_gets_nothing(kind, before, start, upstream, issuer):
    """P1: nobody is trusted unless the settings say so, and the log says what to set."""
    gatehouse = start(configuration(issuer, upstream), **CALLS)
    gateway = before(kind, gatehouse)
    fields = {"Authorization": f"Bearer {issuer.access_token()}"}
    for path in ("/open", "/api"):
        assert httpx.get(gateway.url + path, headers=fields).status_code == 403
    assert upstream.seen == []
    line = gatehouse.wait_for_line(lambda line: line.get("reason") == "untrusted-callout")
    assert "127.0.0.1" in line["detail"] and "set trusted_ips" in line["detail"]


def test_no_verdict_is_no_yes(gateway, gatehouse, upstream, issuer):
    """P8: with Gatehouse away nothing passes; when it is back all is as before."""
    fields = {"Authorization": f"Bearer {issuer.access_token()}"}
    assert httpx.get(gateway.url + "/api", headers=fields).status_code == 200
    before = len(upstream.seen)
    gatehouse.stop()
    for path in ("/open", "/api"):
        answer = httpx.get(gateway.url + path, headers=fields)
        assert answer.status_code == gateway.without_verdict, path
    assert len(upstream.seen) == before
    gatehouse.start()
    wait_until(lambda: httpx.get(gateway.url + "/api", headers=fields).status_code == 200, "it passes again")


def test_the_log_says_which_request_was_asked_about(gateway, gatehouse):
    assert httpx.get(gateway.url + "/open/marked").status_code == 200
    line = gatehouse.wait_for_line(lambda line: line.get("original_path") == "/open/marked")
    assert (line["original_method"], line["original_host"], line["route"]) == ("GET", "127.0.0.1", "open")


def test_reloads_and_a_takeover_lose_no_verdict(gateway, gatehouse):
    """Asked without a pause by three clients while the rules are read anew and the program is replaced."""
    done, statuses = threading.Event(), []

    def ask():
        with httpx.Client(timeout=30) as client:
            while not done.is_set():
                statuses.append(client.get(gateway.url + "/open").status_code)

    clients = [threading.Thread(target=ask) for _ in range(3)]
    for client in clients:
        client.start()
    for _ in range(3):
        before = gatehouse.metric("gatehouse_reloads_total")
        gatehouse.process.signal(signal.SIGHUP)
        wait_until(lambda: gatehouse.metric("gatehouse_reloads_total") > before, "the rules are read anew")
        asked = len(statuses)
        wait_until(lambda: len(statuses) >= asked + 10, "ten more have their answers")
    older = gatehouse.succeed()
    wait_until(lambda: not older.alive, "the older program has ended", 60)
    done.set()
    for client in clients:
        client.join()
    assert len(statuses) > 20 and set(statuses) == {200}
