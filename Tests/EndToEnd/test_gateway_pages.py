"""What the pages of ingress-nginx, Istio, APISIX and Kong configure, read from the pages and played (support/gateway_pages.py)."""
import re

import pytest
from lupa.luajit21 import LuaRuntime

from support import ledger
from support.browser import NAVIGATION
from support.gatehouse import CALLS, ROOT, openid_connect, plugin, route, service
from support.gateway_pages import ALL, APISIX, Istio, Kong, blocks
from support.gateways import send

TRUSTED = {"GATEHOUSE_TRUSTED_IPS": "127.0.0.1/32", **CALLS}
KEY = ledger.keep("anns-key-pages-1234", "API key")
PAGE = list(NAVIGATION.items())


def configuration(issuer, upstream) -> dict:
    fields = {"upstream_headers_claims": ["email"], "upstream_headers_names": ["X-User-Email"],
              "scopes": ["openid", "email", "offline_access"],
              "auth_methods": ["authorization_code", "session", "refresh_token", "bearer"]}
    return {"services": [service(
        upstream.url, route("open", "/open"), route("api", "/api", plugins=[openid_connect(issuer, **fields)]),
        route("admin", "/admin", plugins=[openid_connect(issuer, groups_required=["owners"], **fields)]),
        route("key", "/key", plugins=[plugin("key-auth", key_in_query=False)]))],
        "consumers": [{"username": "ann", "custom_id": "7", "keyauth_credentials": [{"key": KEY}]}]}


@pytest.fixture
def gatehouse(start, upstream, issuer):
    return start(configuration(issuer, upstream), **TRUSTED)


@pytest.fixture(params=ALL, ids=lambda kind: kind.name)
def gateway(request, gatehouse, upstream, tmp_path):
    """Each page in turn."""
    page = request.param(gatehouse, upstream.port, tmp_path).start()
    yield page
    page.stop()


def bearer(issuer, **claims) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {issuer.access_token(**claims)}")]


def seen(upstream) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for name, value in upstream.last.fields:
        if value:
            fields.setdefault(name.lower(), []).append(value)
    return fields


def test_a_yes_tells_the_application_who_it_is(gateway, issuer, upstream):
    assert gateway.ask("GET", "/open/x?a=1").status == 200
    assert (upstream.last.method, upstream.last.target) == ("GET", "/open/x?a=1")
    assert gateway.ask("PUT", "/api", bearer(issuer, email="alice@example.test")).status == 200
    fields = seen(upstream)
    assert upstream.last.method == "PUT" and fields["x-user-email"] == ["alice@example.test"]
    assert gateway.ask("GET", "/key", [("apikey", KEY)]).status == 200
    fields = seen(upstream)
    assert (fields["x-consumer-username"], fields["x-consumer-custom-id"]) == (["ann"], ["7"]), fields
    assert "x-credential-identifier" in fields and KEY not in str(fields)


def test_a_no_reaches_the_client_and_nothing_the_application(gateway, issuer, upstream):
    api = gateway.ask("GET", "/api")
    assert api.status == (302 if gateway.name == "ingress-nginx" else 401)
    assert gateway.ask("GET", "/admin", bearer(issuer)).status == 403
    assert gateway.ask("GET", "/key", [("apikey", "wrong")]).status == (302 if gateway.name == "ingress-nginx" else 401)
    assert gateway.ask("GET", "/nowhere").status == 403
    if gateway.name != "ingress-nginx":
        assert api.first("www-authenticate").startswith("Bearer")
    assert upstream.seen == []


def test_a_browser_is_led_to_the_login_and_back(gateway, upstream):
    """Each redirect by the gateway's own route to our paths; the session goes with the browser's cookies."""
    cookies: dict[str, str] = {}
    answer = gateway.ask("GET", "/api/page", PAGE)
    assert answer.status in (302, 303), answer
    location = answer.first("location")
    assert "/oauth2/start?rd=" in location
    own = re.sub("^https?://[^/]*", "", location)
    answer = gateway.ask("GET", own, PAGE)
    assert answer.status == 302 and answer.all("set-cookie")
    for line in answer.all("set-cookie"):
        name, _, value = line.partition(";")[0].partition("=")
        cookies[name] = ledger.keep(value, "cookie")
    assert "redirect_uri=" in answer.first("location") and "%2Foauth2%2Fcallback" in answer.first("location")


# H1: a client's own copies of what only we may say.
@pytest.mark.parametrize("spelled", ["X-Consumer-Username", "x-consumer-id", "X-Auth-Request-User", "X-User-Email",
                                     "X-Credential-Identifier", "X-Anonymous-Consumer", "X-Authenticated-Groups",
                                     "X_Consumer_Username", "X_User_Email", "X_Auth_Request_User", "X_Consumer-ID"])
def test_a_forged_identity_reaches_no_application(gateway, issuer, upstream, spelled):
    """H1: with a user and without."""
    forged = [(spelled, "forged-identity")]
    if gateway.name == "apisix" and spelled == "X_Consumer-ID":
        pytest.skip("its page says that names with both marks have to be added one by one")
    assert gateway.ask("GET", "/open", forged).status == 200
    assert "forged-identity" not in str(upstream.last.fields)
    assert gateway.ask("GET", "/api", bearer(issuer) + forged).status == 200
    assert "forged-identity" not in str(upstream.last.fields)


@pytest.mark.parametrize("name", ["X-Original-URL", "X-Original-URI", "X-Rewrite-URL", "X-Forwarded-Uri", "X-Original-Method",
                                  "X-Forwarded-Method", "X-Forwarded-Host", "X-Forwarded-Proto"])
def test_a_client_tells_of_no_other_request(gateway, upstream, name):
    """P1, P5: what it says makes no other verdict."""
    for value in ("/open", "http://localhost/open", "OPTIONS"):
        assert gateway.ask("GET", "/api", [(name, value)]).status in (302, 401, 403)
    assert upstream.seen == []


@pytest.mark.parametrize("path", ["/open/../api", "/open/%2e%2e/api", "/open//../api", "/open/..%2fapi", "/open%2f..%2fapi",
                                  "//api", "/open/;/../api", "/open\\..\\api", "/api%00", "/open/%5c../api"])
def test_a_hostile_path_opens_nothing(gateway, upstream, path):
    """P3: Envoy makes one path of what it gets, which is judged and forwarded; everybody else's is refused."""
    answer = gateway.ask("GET", path)
    if answer.status == 200:
        assert gateway.name == "istio" and [one.target for one in upstream.seen] == ["/open/api"]
    else:
        assert answer.status >= 300 and upstream.seen == []


def test_the_verdict_is_for_the_path_that_is_forwarded(gateway, upstream):
    """P3: what is encoded stays so, in the verdict as in what the application gets."""
    assert gateway.ask("GET", "/open/a%20b?c=%2F").status == 200
    assert upstream.last.target == "/open/a%20b?c=%2F"
    assert gateway.ask("GET", "/open%3Fx/y").status in (200, 403)
    if upstream.last.target != "/open/a%20b?c=%2F":
        assert upstream.last.target == "/open%3Fx/y"


def test_nobody_outside_asks_for_a_verdict(gateway, upstream):
    for path in ("/oauth2/auth", "/oauth2/forward-auth", "/oauth2/ext-authz/open"):
        assert gateway.ask("GET", path, [("X-Original-URL", "http://localhost/open")]).status in (302, 401, 403, 404)
    assert upstream.seen == []


def test_the_callouts_answer_names_every_field_that_a_page_copies(gatehouse):
    """What a page lists is what an answer has; a name that nobody says would be taken for protection."""
    terms = blocks("istio")[0]["extensionProviders"][0]["envoyExtAuthzHttp"]
    page = {"apisix": blocks("apisix")[0]["routes"][1]["plugins"]["forward-auth"]["upstream_headers"],
            "istio": [name for name in terms["headersToUpstreamOnAllow"] if "*" not in name],
            "ingress-nginx": re.split(r",\s*", blocks("ingress-nginx")[0]["metadata"]["annotations"][
                "nginx.ingress.kubernetes.io/auth-response-headers"])}
    answer, _ = send(gatehouse.port, "GET", "/oauth2/forward-auth", [
        ("X-Forwarded-Method", "GET"), ("X-Forwarded-Host", "localhost"), ("X-Forwarded-Uri", "/open"),
        ("X-Forwarded-Proto", "http"), ("X-Forwarded-For", "203.0.113.9")], b"")
    said = {name.lower() for name in answer.headers}
    for where, names in page.items():
        # A credential that the application must not see is no field of the answer, and so is taken off.
        assert {name.lower() for name in names} - {"apikey"} <= said, where


def test_a_renewed_session_reaches_the_browser_in_all_its_cookies(gatehouse, upstream, tmp_path):
    """Kong's function: `add_header` takes one text at a time, and a session may be several cookies."""
    kong = Kong(gatehouse, upstream.port, tmp_path)
    lua = LuaRuntime()
    added = []

    def add(name, value):
        assert isinstance(value, str)
        added.append((name, value))

    lua.globals().kong = lua.table_from({
        "ctx": lua.table_from({"plugin": lua.table_from({"cookies": lua.table_from(["a=1", "b=2"])})}),
        "response": lua.table_from({"add_header": add})})
    lua.execute(kong.header_filter)
    assert added == [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    added.clear()
    lua.globals().kong.ctx.plugin.cookies = "a=1"
    lua.execute(kong.header_filter)
    assert added == [("Set-Cookie", "a=1")]


def test_the_ports_that_pages_name_are_ours():
    listens = re.search(r"^\| `proxy_listen` \| `0\.0\.0\.0:(\d+)`", (ROOT / "docs/operations.md").read_text(), re.M)[1]
    for kind in (APISIX, Istio, Kong):
        assert kind.gatehouse_at.endswith(f":{listens}")
