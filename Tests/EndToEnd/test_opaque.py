"""Tokens that their issuer is asked about, and how we show the issuer who asks."""
import concurrent.futures
import secrets
import ssl
import threading
import time

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from support import issuer as trouble
from support import ledger
from support.certificates import Authority
from support.gatehouse import openid_connect, route, run, service
from support.issuer import Issuer
from support.processes import wait_until
from support.tokens import decode, encode, now


def gateway(start, upstream, issuer, environment=None, certificates=None, **config):
    """The program with one route, open to tokens that the issuer is asked about."""
    fields = {"auth_methods": ["introspection"], **config}
    file = {"services": [service(upstream.url, route("api", "/", plugins=[openid_connect(issuer, **fields)]))]}
    return start({**file, **({"certificates": certificates} if certificates else {})}, **(environment or {}))


def ask(gatehouse, token: str, **fields) -> httpx.Response:
    return httpx.get(gatehouse.url, headers={"Authorization": f"Bearer {token}", **fields}, timeout=30)


def reason(gatehouse, status: int) -> str:
    """The reason of the last exchange that ended with `status`."""
    gatehouse.wait_for_line(lambda line: line.get("status") == status)
    return [line["reason"] for line in gatehouse.whole_lines() if line.get("status") == status][-1]


# Introspection

def test_an_opaque_token_passes_by_its_issuers_word(start, upstream, issuer):
    gatehouse = gateway(
        start, upstream, issuer, upstream_headers_claims=["sub"], upstream_headers_names=["X-User"],
        upstream_introspection_header="X-Introspection")
    token = issuer.opaque_token()
    sent = ask(gatehouse, token).json()["headers"]
    assert sent["authorization"] == f"Bearer {token}" and sent["x-user"] == issuer.user["sub"]
    assert decode(sent["x-introspection"].replace("+", "-").replace("/", "_").rstrip("=")).startswith(b"{")
    asked = [asked for asked in issuer.asked if asked.path == "/introspect"]
    assert asked[0].form == {"token": token, "token_type_hint": "access_token"}
    assert asked[0].fields["Authorization"].startswith("Basic ")


REFUSED = {
    "unknown": (lambda issuer: secrets.token_urlsafe(24), "inactive-token"),
    "expired": (lambda issuer: issuer.opaque_token(exp=now() - 1), "expired"),
    "too early": (lambda issuer: issuer.opaque_token(nbf=now() + 600), "not-yet-valid"),
    "another issuer": (lambda issuer: issuer.opaque_token(iss="https://issuer.test"), "wrong-issuer"),
    "another audience": (lambda issuer: issuer.opaque_token(aud="another"), "wrong-audience"),
    "no audience, another client": (lambda issuer: issuer.opaque_token(aud=None, client_id="x"), "wrong-audience"),
    "neither audience nor client": (lambda issuer: issuer.opaque_token(aud=None, client_id=None), "missing-claim"),
    "a refresh token": (lambda issuer: issuer.opaque_token(token_type="refresh_token"), "wrong-type"),
    "bound to a key": (lambda issuer: issuer.opaque_token(cnf={"jkt": "x"}), "proof-required"),
    "bound to a certificate": (lambda issuer: issuer.opaque_token(cnf={"x5t#S256": "x"}), "proof-required"),
    "not base for a token": (lambda issuer: "a b", "malformed"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_token_that_its_issuer_does_not_vouch_for_is_refused(start, upstream, issuer, name):
    make, word = REFUSED[name]
    gatehouse = gateway(start, upstream, issuer)
    assert ask(gatehouse, issuer.opaque_token()).status_code == 200
    before = len(upstream.seen)
    answer = ask(gatehouse, make(issuer))
    assert answer.status_code == 401 and 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert reason(gatehouse, 401) == word
    assert len(upstream.seen) == before


def test_a_revoked_token_is_refused_after_at_most_the_stated_time(start, upstream, issuer):
    gatehouse = gateway(start, upstream, issuer, cache_ttl=2)
    token = issuer.opaque_token()
    assert ask(gatehouse, token).status_code == 200
    issuer.revoke(token)
    revoked = time.monotonic()
    wait_until(lambda: ask(gatehouse, token).status_code == 401, "the revoked token is refused", 5)
    # What the answer was kept for, and the time of one question.
    assert time.monotonic() - revoked < 2 + 2
    assert all(ask(gatehouse, token).status_code == 401 for _ in range(5))


def test_no_route_keeps_an_answer_for_longer_than_it_says(start, upstream, issuer):
    """H4: another route that asks the same may keep it longer; that is its own affair."""
    routes = [route(name, f"/{name}", plugins=[openid_connect(
        issuer, auth_methods=["introspection"], cache_ttl=seconds)]) for name, seconds in (("long", 300), ("short", 1))]
    gatehouse = start({"services": [service(upstream.url, *routes)]})
    token = issuer.opaque_token()

    def status(path: str) -> int:
        return httpx.get(gatehouse.url + path, headers={"Authorization": f"Bearer {token}"}).status_code

    assert [status("/long"), status("/short")] == [200, 200]
    issuer.revoke(token)
    wait_until(lambda: status("/short") == 401, "the revoked token is refused", 5)
    assert status("/long") == 200


def test_answers_are_shared_by_workers_and_requests_wait_for_one_question(start, upstream, issuer):
    """H4: one question a token, however many ask at the same time; each answer is its own token's."""
    gatehouse = gateway(start, upstream, issuer, upstream_headers_claims=["sub"], upstream_headers_names=["X-User"])
    tokens = {issuer.opaque_token(sub=f"user-{number}"): f"user-{number}" for number in range(10)}
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda token: (token, ask(gatehouse, token)), list(tokens) * 20))
    assert all(answer.status_code == 200 for _, answer in answers)
    assert all(answer.json()["headers"]["x-user"] == tokens[token] for token, answer in answers)
    assert issuer.count("/introspect") == 10


def test_a_flood_of_made_up_tokens_drives_bounded_traffic(start, upstream, issuer):
    """Never more questions at a time than documented; a token that is known serves on, and nobody is let in."""
    gatehouse = gateway(start, upstream, issuer)
    good = issuer.opaque_token()
    assert ask(gatehouse, good).status_code == 200
    under_way, most, lock = [0], [0], threading.Lock()

    def slowly(handler):
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.02)
        with lock:
            under_way[0] -= 1
        handler.json(200, {"active": False})

    issuer.trouble["/introspect"] = slowly
    limits = httpx.Limits(max_connections=400, max_keepalive_connections=400)
    with httpx.Client(limits=limits, timeout=60) as client, concurrent.futures.ThreadPoolExecutor(400) as pool:
        flood = [pool.submit(client.get, gatehouse.url, headers={"Authorization": f"Bearer {secrets.token_urlsafe(20)}"})
                 for _ in range(1500)]
        served = [ask(gatehouse, good).status_code for _ in range(20)]
        codes = [one.result().status_code for one in flood]
    assert served == [200] * 20
    assert set(codes) <= {401, 503} and codes.count(401) > 0
    assert most[0] <= 32
    assert gatehouse.refusals("issuer-busy") == codes.count(503)


def test_an_issuer_that_is_down_lets_nobody_in(start, upstream, issuer):
    gatehouse = gateway(start, upstream, issuer)
    known, unknown = issuer.opaque_token(), issuer.opaque_token()
    assert ask(gatehouse, known).status_code == 200
    issuer.stop()
    try:
        assert ask(gatehouse, known).status_code == 200
        for _ in range(8):
            answer = ask(gatehouse, unknown)
            assert answer.status_code == 503 and answer.headers["retry-after"] == "5"
        assert reason(gatehouse, 503) == "issuer-unreachable"
    finally:
        issuer.start()
    wait_until(lambda: ask(gatehouse, unknown).status_code == 200, "the issuer is noticed", 10)


TROUBLE = {
    "garbage": (trouble.garbage, "issuer-answer-malformed"), "huge": (trouble.huge, "issuer-answer-too-large"),
    "an error": (trouble.status(500), "issuer-failed"), "elsewhere": (trouble.status(302), "issuer-failed"),
    "text for active": (lambda handler: handler.json(200, {"active": "true"}), "issuer-answer-malformed"),
    "we are not known": (trouble.status(401), "introspection-refused"),
    "silence": (trouble.never, "issuer-timed-out"),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_an_answer_that_is_none_lets_nobody_in(start, upstream, issuer, name):
    issuer.trouble["/introspect"], word = TROUBLE[name]
    gatehouse = gateway(start, upstream, issuer, timeout=1500)
    assert ask(gatehouse, issuer.opaque_token()).status_code == 503
    assert reason(gatehouse, 503) == word
    assert upstream.seen == []


def test_a_signed_answer_counts_by_the_issuers_keys_alone(start, upstream, issuer):
    """RFC 9701: an answer that somebody else signed, or nobody, is no answer."""
    gatehouse = gateway(start, upstream, issuer, introspection_accept="application/token-introspection+jwt")
    assert ask(gatehouse, issuer.opaque_token()).status_code == 200
    issuer.trouble["/introspect"] = lambda handler: handler.json(200, {"active": True, "aud": "app"})
    assert ask(gatehouse, issuer.opaque_token()).status_code == 503
    assert reason(gatehouse, 503) == "issuer-answer-unproven"
    with Issuer(name="first") as stranger:
        claims = {"iss": issuer.url, "aud": "app", "iat": now(), "token_introspection": {"active": True, "aud": "app"}}
        forged = stranger.keys[0].sign(claims, typ="token-introspection+jwt")
    issuer.trouble["/introspect"] = lambda handler: handler.raw(200, forged.encode())
    assert ask(gatehouse, issuer.opaque_token()).status_code == 503


def test_a_jwt_that_verifies_may_be_asked_about_too(start, upstream, issuer):
    gatehouse = gateway(
        start, upstream, issuer, auth_methods=["bearer", "introspection"], introspect_jwt_tokens=True, cache_ttl=1)
    token = issuer.access_token()
    issuer.opaque[token] = {"active": True, "aud": "app", "sub": issuer.user["sub"]}
    assert ask(gatehouse, token).status_code == 200
    issuer.revoke(token)
    wait_until(lambda: ask(gatehouse, token).status_code == 401, "the revoked JWT is refused", 5)
    before = issuer.count("/introspect")
    assert ask(gatehouse, issuer.access_token(exp=now() - 1)).status_code == 401
    assert issuer.count("/introspect") == before


# Userinfo

def test_userinfo_proves_a_token(start, upstream, issuer):
    gatehouse = gateway(
        start, upstream, issuer, auth_methods=["userinfo"], audience_required=[],
        upstream_headers_claims=["email"], upstream_headers_names=["X-Email"], cache_ttl=1)
    token = issuer.opaque_token()
    for _ in range(3):
        assert ask(gatehouse, token).json()["headers"]["x-email"] == issuer.user["email"]
    assert issuer.count("/userinfo") <= 2
    issuer.revoke(token)
    wait_until(lambda: ask(gatehouse, token).status_code == 401, "the revoked token is refused", 5)
    assert reason(gatehouse, 401) == "userinfo-refused"


# Who asks

def private_jwk(key: ec.EllipticCurvePrivateKey) -> dict:
    """A private key on P-256 as a JWK."""
    numbers = key.private_numbers()
    point = numbers.public_numbers
    size = {name: encode(value.to_bytes(32, "big"))
            for name, value in (("x", point.x), ("y", point.y), ("d", numbers.private_value))}
    ledger.keep(size["d"], "private key")
    return {"kty": "EC", "crv": "P-256", "kid": "client-1", **size}


def new_client_key(issuer) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer.client_keys.append(key.public_key())
    return key


@pytest.mark.parametrize("form", ["jwk", "pem"])
@pytest.mark.parametrize("audience", ["issuer", "endpoint"])
def test_private_key_jwt_at_both_endpoints(start, upstream, issuer, form, audience):
    """The issuer verifies signature, audience, life and that no assertion comes twice."""
    key, issuer.takes = new_client_key(issuer), "private_key_jwt"
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    written = {"client_jwk": [private_jwk(key)]} if form == "jwk" else {"client_key": [pem]}
    gatehouse = gateway(
        start, upstream, issuer, client_secret=None, client_auth=["private_key_jwt"],
        client_assertion_audience=audience, cache_introspection=False,
        auth_methods=["introspection", "password"], **written)
    for path, request in (("/introspect", "bearer"), ("/token", "basic")):
        issuer.assertion_audience = issuer.url + path if audience == "endpoint" else issuer.url
        for _ in range(3):
            if request == "bearer":
                assert ask(gatehouse, issuer.opaque_token()).status_code == 200
            else:
                answer = httpx.get(gatehouse.url, auth=("alice", issuer.passwords["alice"]))
                assert answer.status_code == 200
    # Nobody else's key, and no other audience, would have done.
    issuer.assertion_audience = "https://other.example"
    assert ask(gatehouse, issuer.opaque_token()).status_code == 503
    issuer.assertion_audience, issuer.client_keys = None, []
    new_client_key(issuer)
    assert ask(gatehouse, issuer.opaque_token()).status_code == 503


def test_client_secret_jwt_sends_no_secret(start, upstream, issuer):
    issuer.takes = "client_secret_jwt"
    issuer.client_secret = ledger.keep(secrets.token_urlsafe(32), "client secret")
    gatehouse = gateway(start, upstream, issuer, client_auth=["client_secret_jwt"])
    assert ask(gatehouse, issuer.opaque_token()).status_code == 200
    asked = [asked for asked in issuer.asked if asked.path == "/introspect"][-1]
    assert issuer.client_secret not in str(asked.form) + str(asked.fields)
    issuer.client_secret = issuer.client_secret[::-1]
    assert ask(gatehouse, issuer.opaque_token()).status_code == 503


@pytest.mark.parametrize("method", ["tls_client_auth", "self_signed_tls_client_auth"])
def test_a_certificate_shows_who_we_are(start, upstream, tmp_path, method):
    """RFC 8705 §2, and the endpoint for it that the metadata names (§5)."""
    authority, clients = Authority(), Authority("Clients")
    shown, other = clients.sign("app"), clients.sign("other")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("127.0.0.1").files(tmp_path))
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=clients.cert)
    (tmp_path / "ca.pem").write_text(authority.cert)
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    plain.load_cert_chain(*authority.sign("127.0.0.1").files(tmp_path))
    with Issuer(tls=plain) as issuer, Issuer(tls=context, name="mtls") as door:
        door.takes, door.opaque = method, issuer.opaque
        door.client_keys = [shown.certificate.public_bytes(Encoding.DER)]
        issuer.metadata["mtls_endpoint_aliases"] = {"introspection_endpoint": door.url + "/introspect"}
        certificates = [
            shown.entity("app.example", id="0f0e7c1e-95b1-4a36-9a2c-000000000001"),
            other.entity("other.example", id="0f0e7c1e-95b1-4a36-9a2c-000000000002")]
        fields = {"client_secret": None, "client_auth": [method], "cache_introspection": False}
        environment = {"GATEHOUSE_TRUSTED_CA_FILE": str(tmp_path / "ca.pem")}
        gatehouse = gateway(
            start, upstream, issuer, environment, certificates, **fields,
            tls_client_auth_cert_id="0f0e7c1e-95b1-4a36-9a2c-000000000001")
        for _ in range(3):
            assert ask(gatehouse, issuer.opaque_token()).status_code == 200
        assert door.count("/introspect") == 3 and issuer.count("/introspect") == 0
        assert [asked.form["client_id"] for asked in door.asked] == ["app"] * 3
        wrong = gateway(
            start, upstream, issuer, environment, certificates, **fields,
            tls_client_auth_cert_id="0f0e7c1e-95b1-4a36-9a2c-000000000002")
        assert ask(wrong, issuer.opaque_token()).status_code == 503
        assert reason(wrong, 503) == "client-refused"


def test_a_certificate_that_is_not_there_is_an_error(start, upstream, issuer, tmp_path):
    text = f"""
_format_version: "3.0"
services:
- name: api
  url: {upstream.url}
  routes: [{{name: r, paths: [/]}}]
  plugins:
  - name: openid-connect
    config:
      issuer: {issuer.url}
      client_id: [app]
      client_auth: [tls_client_auth]
      tls_client_auth_cert_id: nobody
"""
    (tmp_path / "file.yaml").write_text(text)
    answer = run("check", str(tmp_path / "file.yaml"))
    assert answer.returncode == 1 and "there is no certificate with the id 'nobody'" in answer.stdout
