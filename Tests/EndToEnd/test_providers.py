"""Tokens of two real identity providers: asked about, revoked, and verified while the keys change."""
import json
import secrets
import threading
import time

import httpx
import pytest

from support import assertions
from support.gatehouse import plugin, route, service
from support.processes import wait_until
from support.tokens import Key, claims_of, decode


def gateway(start, upstream, provider, client: str = "service", **config):
    """The program with one route, for a client of a real provider."""
    known = provider.info["clients"][client]
    fields = {"issuer": provider.issuer, "client_id": [client], "auth_methods": ["introspection"],
              "upstream_headers_claims": ["scope"], "upstream_headers_names": ["X-Scope"],
              **({"client_secret": [known["client_secret"]]} if "client_secret" in known else {}), **config}
    return start({"services": [service(
        upstream.url, route("api", "/", plugins=[plugin("openid-connect", **fields)]))]})


def ask(gatehouse, token: str) -> httpx.Response:
    return httpx.get(gatehouse.url, headers={"Authorization": f"Bearer {token}"}, timeout=30)


def service_token(provider) -> str:
    """A token that a client got for itself."""
    return provider.tokens(grant_type="client_credentials", scope=provider.info["service_scope"])["access_token"]


def test_opaque_tokens_of_canaille(start, upstream, providers):
    """Its tokens for clients say nothing by themselves."""
    canaille = providers("canaille")
    gatehouse = gateway(start, upstream, canaille, cache_ttl=2, scopes_required=["openid"])
    token = service_token(canaille)
    assert token.count(".") != 2
    answer = ask(gatehouse, token)
    assert answer.status_code == 200 and answer.json()["headers"]["x-scope"] == "openid"
    assert ask(gatehouse, secrets.token_urlsafe(32)).status_code == 401
    canaille.revoke(token)
    revoked = time.monotonic()
    wait_until(lambda: ask(gatehouse, token).status_code == 401, "the revoked token is refused", 6)
    assert time.monotonic() - revoked < 2 + 2


# Asked for a signed answer about a token that is not active, Glewlwyd 2.7.5 answers 400 and says nothing.
@pytest.mark.parametrize("form, refusal", [("application/json", 401), ("application/token-introspection+jwt", 503)])
def test_introspection_of_glewlwyds_jwts(start, upstream, providers, form, refusal):
    """RFC 9068 tokens that verify are asked about as well: a revoked one is refused after at most the stated time."""
    glewlwyd = providers("glewlwyd")
    gatehouse = gateway(
        start, upstream, glewlwyd, auth_methods=["bearer", "introspection"], introspect_jwt_tokens=True,
        introspection_accept=form, audience_required=["api"], cache_ttl=2)
    token = service_token(glewlwyd)
    assert ask(gatehouse, token).status_code == 200
    glewlwyd.revoke(token)
    revoked = time.monotonic()
    wait_until(lambda: ask(gatehouse, token).status_code == refusal, "the revoked token is refused", 6)
    assert time.monotonic() - revoked < 2 + 2
    assert ask(gatehouse, service_token(glewlwyd)).status_code == 200


def test_userinfo_of_a_real_provider(start, upstream, provider):
    gatehouse = gateway(
        start, upstream, provider, auth_methods=["userinfo"], audience_required=[], cache_ttl=2,
        upstream_headers_claims=["email"], upstream_headers_names=["X-Email"])
    token = provider.tokens(
        grant_type="password", username="alice", password=provider.password("alice"),
        scope="openid profile email")["access_token"]
    assert ask(gatehouse, token).json()["headers"]["x-email"] == "alice@example.test"
    assert ask(gatehouse, secrets.token_urlsafe(32)).status_code == 401
    provider.revoke(token)
    wait_until(lambda: ask(gatehouse, token).status_code == 401, "the revoked token is refused", 6)


@pytest.mark.parametrize("client", ["signer", "secret-signer"])
def test_assertions_of_ours_are_taken_by_glewlwyd(start, upstream, providers, client):
    """`private_key_jwt` and `client_secret_jwt`; it wants them for the endpoint that is asked."""
    glewlwyd = providers("glewlwyd")
    known = glewlwyd.info["clients"][client]
    key = known.get("private_jwk") or known["client_secret"]
    written = {"client_jwk": [key], "client_auth": ["private_key_jwt"]} if "private_jwk" in known else {
        "client_auth": ["client_secret_jwt"]}
    gatehouse = gateway(
        start, upstream, glewlwyd, client, client_assertion_audience="endpoint", audience_required=["api"], **written)
    endpoint = glewlwyd.document()["token_endpoint"]
    form = {"grant_type": "client_credentials", "scope": "api", **assertions.made(client, endpoint, key)}
    token = httpx.post(endpoint, data=form).raise_for_status().json()["access_token"]
    answer = ask(gatehouse, token)
    assert answer.status_code == 200 and answer.json()["headers"]["x-scope"] == "api"
    assert ask(gatehouse, secrets.token_urlsafe(32)).status_code == 401


class Load:
    """Threads that show tokens as fast as they are answered, until told to end."""

    def __init__(self, gatehouse):
        self.gatehouse, self.over, self.threads = gatehouse, threading.Event(), []

    def show(self, choose) -> list[tuple[str, int]]:
        """Shows what `choose` gives; the list grows with the kid and the status of each answer."""
        seen: list[tuple[str, int]] = []

        def run():
            with httpx.Client(timeout=30) as client:
                while not self.over.is_set():
                    kid, token = choose()
                    answer = client.get(self.gatehouse.url, headers={"Authorization": f"Bearer {token}"})
                    seen.append((kid, answer.status_code))

        self.begin(run)
        return seen

    def begin(self, run):
        self.threads.append(threading.Thread(target=run, daemon=True))
        self.threads[-1].start()

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join(60)


def kid_of(token: str) -> str:
    return json.loads(decode(token.split(".")[0]))["kid"]


def test_keys_of_glewlwyd_change_under_load(start, upstream, providers):
    """No valid token is refused, of the old key or of the new one; no forged one is let in."""
    glewlwyd = providers("glewlwyd")
    gatehouse = gateway(start, upstream, glewlwyd, auth_methods=["bearer"], audience_required=["api"])
    tokens = [service_token(glewlwyd)]
    stranger = Key("stranger")

    def valid():
        token = secrets.choice(tokens[-4:] + tokens[:1])
        return kid_of(token), token

    def forged():
        # The claims and the key's name of a token that is good now, signed by somebody else.
        kid = kid_of(tokens[-1])
        return kid, stranger.sign(claims_of(tokens[-1]), kid=kid, typ="at+jwt")

    load = Load(gatehouse)

    def mint():
        while not load.over.wait(0.2):
            try:
                tokens.append(service_token(glewlwyd))
            except httpx.HTTPError:
                pass  # It may be busy with its new key.

    load.begin(mint)
    good, bad = [load.show(valid) for _ in range(3)], load.show(forged)
    try:
        old = kid_of(tokens[0])
        wait_until(lambda: sum(map(len, good)) >= 200 and len(bad) >= 50, "a load", 60)
        new = glewlwyd.rotate()
        assert new != old
        wait_until(lambda: sum(kid == new for seen in good for kid, _ in seen) >= 200, "a load by the new key", 60)
        wait_until(lambda: sum(kid == new for kid, _ in bad) >= 50, "forged tokens that name the new key", 60)
    finally:
        load.end()
    answers = [answer for seen in good for answer in seen]
    assert {kid for kid, _ in answers} == {old, new}
    assert [answer for answer in answers if answer[1] != 200] == []
    assert [answer for answer in bad if answer[1] != 401] == []
    assert ask(gatehouse, tokens[0]).status_code == 200
