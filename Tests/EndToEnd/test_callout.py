"""The callout `/oauth2/auth`: asked directly, and by Debian's nginx. test_gateways.py has what all doors share."""
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from support.browser import NAVIGATION
from support.gatehouse import openid_connect, plugin, route, service
from support.gateways import Nginx
from support.rawsocket import RawConnection, get

TRUSTED = {"GATEHOUSE_TRUSTED_IPS": "127.0.0.1/32"}
ALWAYS = ["user", "email", "preferred-username", "groups", "access-token"]


def configuration(issuer, upstream) -> dict:
    """What is open, what needs a token, what needs a group; the upstream is never asked by a callout."""
    return {"services": [service(
        upstream.url,
        route("open", "/open"),
        route("api", "/api", plugins=[openid_connect(issuer, upstream_headers_claims=["email"],
                                                     upstream_headers_names=["X-Email"])]),
        route("admin", "/admin", plugins=[openid_connect(issuer, groups_required=["owners"])]))]}


@pytest.fixture
def gatehouse(start, upstream, issuer):
    return start(configuration(issuer, upstream), **TRUSTED)


def auth(gatehouse, target: str | None, query: str = "", **fields) -> httpx.Response:
    """Asks the callout for `target`."""
    asked = {"X-Original-URL": f"http://127.0.0.1{target}"} if target else {}
    return httpx.get(f"{gatehouse.url}/oauth2/auth{query}", headers={**asked, **fields})


def bearer(issuer, **claims) -> dict:
    return {"Authorization": f"Bearer {issuer.access_token(**claims)}"}


def test_the_verdict_is_the_routes(gatehouse, issuer, upstream):
    assert auth(gatehouse, "/open").status_code == 202
    assert auth(gatehouse, "/api").status_code == 401
    assert auth(gatehouse, "/api", **bearer(issuer)).status_code == 202
    assert auth(gatehouse, "/admin", **bearer(issuer)).status_code == 403
    assert auth(gatehouse, "/nowhere").status_code == 403
    assert upstream.seen == []


def test_identity_fields_are_always_there(gatehouse, issuer):
    """H1: empty if unknown, so that what the client sent is overwritten."""
    known = auth(gatehouse, "/api", **bearer(issuer, email="alice@example.test", preferred_username="alice"))
    for name in ALWAYS:
        assert f"x-auth-request-{name}" in known.headers
    assert known.headers["x-auth-request-user"] == "alice-id"
    assert known.headers["x-auth-request-email"] == "alice@example.test"
    assert known.headers["x-auth-request-preferred-username"] == "alice"
    assert known.headers["x-auth-request-groups"] == "admins,staff"
    assert known.headers["x-email"] == "alice@example.test"
    unknown = auth(gatehouse, "/open")
    assert [unknown.headers[f"x-auth-request-{name}"] for name in ALWAYS] == [""] * len(ALWAYS)


def test_a_callout_knows_nothing_of_the_one_before_on_its_connection(gatehouse, issuer):
    """P1, H1: each original request stands for itself, and each answer says once when it was made."""
    def told(target: str, *fields: str) -> bytes:
        return "\r\n".join([f"{target} HTTP/1.1", "Host: a.test", *fields, "", ""]).encode()

    token = f"Authorization: {bearer(issuer, email='alice@example.test')['Authorization']}"
    asked = [
        (told("GET /oauth2/ext-authz/api/long/path?and=query", token, "X-Email: mallory", "Cookie: a=b"), 200, True),
        (told("GET /oauth2/ext-authz/api"), 401, False), (told("POST /oauth2/ext-authz/open"), 200, False),
        (told("GET /oauth2/ext-authz/nowhere", token), 403, False),
        (told("GET /oauth2/auth", "X-Original-URL: http://a.test/api", token), 202, True),
        (told("GET /oauth2/ext-authz/admin"), 401, False), (told("GET /oauth2/ext-authz/api/", token), 200, True),
    ]
    with RawConnection(gatehouse.port) as connection:
        for raw, status, is_known in asked:
            connection.send(raw)
            answer = connection.read()
            assert answer.status == status and len(answer.all("date")) == 1, raw
            assert (answer.first("x-auth-request-user") == "alice-id") is is_known, raw
            assert (answer.first("x-email") == "alice@example.test") is is_known, raw
            if status < 300:
                assert answer.first("authorization") == (token.partition(": ")[2] if is_known else ""), raw
                assert answer.first("cookie") == ("a=b" if b"Cookie" in raw else ""), raw


def test_a_browser_learns_where_to_log_in(gatehouse):
    answer = auth(gatehouse, "/api/page?x=1", **NAVIGATION)
    assert answer.status_code == 401
    redirect = answer.headers["x-auth-request-redirect"]
    assert redirect.startswith("/oauth2/start?rd=")
    assert parse_qs(urlsplit(redirect).query)["rd"][0].endswith("/api/page?x=1")


def test_strangers_are_refused(start, upstream, issuer):
    """P1: nobody is trusted unless the settings say so; one log line says what to set."""
    gatehouse = start(configuration(issuer, upstream))
    answer = auth(gatehouse, "/open")
    assert answer.status_code == 403
    assert gatehouse.refusals("untrusted-callout") == 1
    assert gatehouse.wait_for_line(lambda line: "trusted_ips" in str(line))


@pytest.mark.parametrize("fields", [
    ("X-Original-URL: http://127.0.0.1/open", "X-Original-URI: /api"),
    ("X-Original-URL: http://127.0.0.1/open", "X-Original-URL: http://127.0.0.1/api"),
    ("X-Original-URI: /open", "X-Forwarded-Uri: /api"),
    ("X-Original-URI: /open", "X-Rewrite-URL: /api"),
    ("X-Original-URL: http://127.0.0.1/open", "x-original-url: http://127.0.0.1/admin"),
])
def test_conflicting_requests_are_refused(gatehouse, fields):
    """P1: several originals that do not name the same request."""
    reply = get(gatehouse.port, "/oauth2/auth", None, *fields)
    assert reply.status == 403
    assert gatehouse.refusals("conflicting-original-request") == 1


def test_several_that_agree_are_one(gatehouse):
    reply = get(gatehouse.port, "/oauth2/auth", "127.0.0.1", "X-Original-URL: http://127.0.0.1/open", "X-Original-URI: /open")
    assert reply.status == 202


def test_no_original_request_is_refused(gatehouse):
    assert auth(gatehouse, None).status_code == 403


@pytest.mark.parametrize("target", ["/open/../api", "/open/..%2fapi", "/open/%2e%2e/api", "/api;x", "//api", "/ap%69",
                                    "/open#/../api", "/open\\..\\api"])
def test_the_original_request_goes_through_the_same_guard(gatehouse, target):
    """P3: no spelling reaches a closed route by an open one's verdict."""
    assert auth(gatehouse, target).status_code in (400, 401, 403)


@pytest.mark.parametrize("query, status", [
    ("?allowed_groups=admins", 202), ("?allowed_groups=nobody,staff", 202), ("?allowed_groups=nobody", 403),
    ("?allowed_emails=alice@example.test", 202), ("?allowed_emails=bob@example.test", 403),
    ("?allowed_email_domains=example.test", 202), ("?allowed_email_domains=test", 403),
    ("?allowed_email_domains=*.test", 202), ("?allowed_groups=", 403), ("?surprise=1", 403),
])
def test_the_query_narrows(gatehouse, issuer, query, status):
    """P8: as in oauth2-proxy; what is not known refuses."""
    fields = bearer(issuer, email="alice@example.test", email_verified=True)
    assert auth(gatehouse, "/api", query, **fields).status_code == status


def test_an_email_with_two_ats_matches_no_domain(gatehouse, issuer):
    """S8."""
    fields = bearer(issuer, email="alice@evil.test@example.test", email_verified=True)
    assert auth(gatehouse, "/api", "?allowed_email_domains=example.test", **fields).status_code == 403


def test_the_original_method_counts(start, upstream, issuer):
    gatehouse = start({"services": [service(
        upstream.url, route("read", "/", methods=["GET"]),
        route("write", "/", methods=["POST"], plugins=[plugin("key-auth")]))]}, **TRUSTED)
    assert auth(gatehouse, "/thing").status_code == 202
    assert auth(gatehouse, "/thing", **{"X-Original-Method": "POST"}).status_code == 401


# Debian's nginx

@pytest.fixture
def nginx(gatehouse, upstream, tmp_path):
    """nginx before the sample API, asking the gateway."""
    gateway = Nginx(tmp_path / "nginx", gatehouse, upstream.port).start()
    yield gateway.url
    gateway.stop()


def test_nginx_asks_and_obeys(nginx, issuer, upstream):
    assert httpx.get(nginx + "/open").status_code == 200
    assert httpx.get(nginx + "/api/x").status_code == 401
    assert httpx.get(nginx + "/admin", headers=bearer(issuer)).status_code == 403
    before = len(upstream.seen)
    answer = httpx.get(nginx + "/api/x", headers={**bearer(issuer), "X-Auth-Request-User": "spoofed"})
    assert answer.status_code == 200
    assert len(upstream.seen) == before + 1
    assert upstream.last.all("x-auth-request-user") == ["alice-id"]


def test_a_client_of_nginx_gains_nothing_by_its_own_original_url(nginx, issuer, upstream):
    """P1: real nginx from Debian; a client that names another request is judged by the one it makes."""
    for fields in [
            {"X-Original-URL": nginx + "/open"}, {"X-Original-URI": "/open"}, {"X-Forwarded-Uri": "/open"},
            {"X-Rewrite-URL": "/open"}, {"X_Original_URL": nginx + "/open"}, {"X-Original-Method": "OPTIONS"},
            {"X-Original-URL": nginx + "/open", "X-Original-URI": "/open", "X-Forwarded-Uri": "/open"},
            {"Forwarded": "for=127.0.0.1;host=127.0.0.1"}, {"Connection": "X-Original-URL"}]:
        for path in ("/api/x", "/admin"):
            assert httpx.get(nginx + path, headers=fields).status_code in (401, 403), fields
        assert httpx.get(nginx + "/admin", headers={**fields, **bearer(issuer)}).status_code == 403
    assert upstream.seen == []


def test_a_login_through_nginx_lands_where_it_began(nginx, light, upstream):
    browser = light()
    page = browser.follow(nginx + "/api/wanted?x=1")
    assert page.status_code == 200
    assert page.json()["target"] == "/api/wanted?x=1"
    assert upstream.last.first("x-auth-request-user") == "alice-id"
