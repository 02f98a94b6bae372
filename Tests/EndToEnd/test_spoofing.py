"""What a client says about itself or about another request changes nothing, in any spelling and on any path."""
import itertools
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from support import ledger
from support.browser import NAVIGATION
from support.gatehouse import openid_connect, plugin, route, service
from support.rawsocket import exchange
from support.tokens import Key, claims_of

KEY = ledger.keep("anns-key-spoofing-1234", "API key")
EMITTED = [
    "X-Consumer-ID", "X-Consumer-Username", "X-Consumer-Custom-ID", "X-Consumer-Groups", "X-Credential-Identifier",
    "X-Anonymous-Consumer", "X-Authenticated-Groups", "X-Authenticated-Userid", "X-User-Email", "X-Id-Token",
]
SPELLINGS = [
    str, str.lower, str.upper, lambda name: name.replace("-", "_"), lambda name: name.replace("-", "."),
    lambda name: name.replace("-", "_", 1),
]
LIES = {
    "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "443", "X-Forwarded-Prefix": "/open", "X-Forwarded-Uri": "/open",
    "X-Forwarded-Method": "OPTIONS", "Forwarded": "for=203.0.113.9;host=evil.test;proto=https",
    "X-Original-URL": "http://evil.test/open", "X-Original-URI": "/open", "X-Original-Method": "OPTIONS",
    "X-Rewrite-URL": "/open", "X-Real-IP": "203.0.113.9", "X-HTTP-Method-Override": "OPTIONS",
}


@pytest.fixture
def gatehouse(start, upstream, issuer):
    """A login, a key, and a route that is open."""
    return start({
        "services": [service(
            upstream.url,
            route("app", "/app", plugins=[openid_connect(
                issuer, upstream_headers_claims=["email"], upstream_headers_names=["X-User-Email"],
                upstream_id_token_header="X-Id-Token", run_on_preflight=False)]),
            route("key", "/key", plugins=[plugin("key-auth")]),
            route("open", "/open"))],
        "consumers": [{"username": "ann", "keyauth_credentials": [{"key": KEY}]}]})


def ask(gatehouse, method: str, target: str, *fields: str):
    """One request, its fields as they are written."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{gatehouse.port}", *fields, "Connection: close", "", ""]
    return exchange(gatehouse.port, "\r\n".join(lines).encode(), method)


@pytest.mark.parametrize("method, target, more", [
    ("GET", "/open", []),
    ("OPTIONS", "/open", []),
    ("HEAD", "/open", []),
    ("OPTIONS", "/app", ["Origin: https://a.test", "Access-Control-Request-Method: GET"]),
    ("GET", "/open", ["Connection: Upgrade", "Upgrade: websocket"]),
    ("GET", "/key", [f"apikey: {KEY}"]),
    ("GET", "/app", ["bearer"]),
])
def test_no_emitted_name_crosses_in_any_spelling(gatehouse, issuer, upstream, method, target, more):
    """H1: also where no plugin is asked; every name that any plugin of the file can set."""
    if more == ["bearer"]:
        more = [f"Authorization: Bearer {issuer.access_token(email='alice@example.test')}"]
    names = sorted({spell(name) for name, spell in itertools.product(EMITTED, SPELLINGS)})
    reply = ask(gatehouse, method, target, *more, *(f"{name}: spoofed" for name in names), "X-Other: kept")
    assert reply.status == 200
    assert upstream.last.first("x-other") == "kept"
    assert [field for field in upstream.last.fields if "spoofed" in field[1]] == []


@pytest.mark.parametrize("name", EMITTED)
def test_a_name_that_connection_nominates_is_ours_all_the_same(gatehouse, upstream, name):
    """H2: what the client has removed is removed before ours is set, in each position of the list."""
    for listed in (name, f"close, {name}", f"{name.lower()}, x", f"{name}, {name.upper()}"):
        lines = [
            "GET /key HTTP/1.1", "Host: a", f"apikey: {KEY}", f"Connection: {listed}", f"{name}: spoofed", "", ""]
        assert exchange(gatehouse.port, "\r\n".join(lines).encode()).status == 200
        assert upstream.last.all("x-consumer-username") == ["ann"]
        assert upstream.last.first("x-consumer-id")
        assert all("spoofed" not in value for _, value in upstream.last.fields)


def test_forwarding_fields_of_strangers_decide_nothing(gatehouse, upstream):
    """P1: neither each of them alone nor all at once opens a closed route."""
    for fields in [*({name: value} for name, value in LIES.items()), LIES]:
        assert httpx.get(gatehouse.url + "/key", headers=fields).status_code == 401, fields
        assert httpx.get(gatehouse.url + "/app", headers=fields).status_code == 401, fields
    assert upstream.seen == []


def test_forwarding_fields_of_strangers_shape_no_login(gatehouse):
    """P1: the redirect to the issuer and the cookie are as without them."""
    def login(fields: dict) -> tuple:
        answer = httpx.get(gatehouse.url + "/app/here", headers={**NAVIGATION, **fields})
        assert answer.status_code == 302
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        cookie = answer.headers["set-cookie"]
        return query["redirect_uri"], cookie.split("-")[0], cookie.split(";")[1:]

    honest = login({})
    assert honest[0] == [gatehouse.url + "/oauth2/callback"]
    for fields in [*({name: value} for name, value in LIES.items()), LIES]:
        assert login(fields) == honest, fields


def test_forwarding_fields_of_strangers_name_nobody_in_the_log(gatehouse):
    """P1: the line has the peer's address and the path that was asked for."""
    assert httpx.get(gatehouse.url + "/open/marked-line", headers=LIES).status_code == 200
    line = gatehouse.wait_for_line(lambda line: line.get("path") == "/open/marked-line")
    assert (line["client"], line["method"], line["route"]) == ("127.0.0.1", "GET", "open")
    assert "evil" not in str(line) and "203.0.113.9" not in str(line)


@pytest.mark.parametrize("member", ["jku", "x5u", "jwk", "x5c"])
def test_a_key_that_the_token_names_is_never_fetched(gatehouse, issuer, upstream, member):
    """J4, V9: a token that brings its key or where to find it is refused, and nobody is asked for the key."""
    from support.issuer import Issuer
    own = Key(issuer.keys[0].kid)
    with Issuer(name="elsewhere") as elsewhere:
        elsewhere.published = [own]
        value = {"jku": elsewhere.url + "/jwks", "x5u": elsewhere.url + "/jwks", "jwk": own.jwk(), "x5c": ["MIIB"]}
        for kid in (own.kid, None):
            token = own.sign(claims_of(issuer.access_token()), kid=kid, **{member: value[member]})
            answer = httpx.get(gatehouse.url + "/app", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 401
        assert elsewhere.asked == []
    assert gatehouse.refusals("bad-signature") == 2
    assert upstream.seen == []
