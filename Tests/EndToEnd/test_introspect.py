"""Services ask whether a token is good: /oauth2/introspect and its batch form (RFC 7662, RFC 9701)."""
import concurrent.futures
import json

import httpx
import pytest

from support import issuer as trouble
from support import ledger
from support.gatehouse import openid_connect, route, service
from support.issuer import Issuer
from support.processes import wait_until
from support.tokens import claims_of, decode, now
from support.verification import verified

KEY = ledger.keep("orders-service-key-1234567890", "API key")
OTHER = ledger.keep("strangers-key-1234567890", "API key")
SIGNED = "application/token-introspection+jwt"


def configuration(upstream, *plugins: dict) -> dict:
    """One route for each instance, a service that may ask and a stranger."""
    return {
        "services": [service(upstream.url, *[
            route(f"r{number}", f"/{number}", plugins=[one]) for number, one in enumerate(plugins)],
            route("rest", "/"))],
        "consumers": [
            {"username": "orders", "keyauth_credentials": [{"key": KEY}], "acls": [{"group": "services"}]},
            {"username": "stranger", "keyauth_credentials": [{"key": OTHER}]}],
    }


@pytest.fixture
def gatehouse(start, upstream, issuer):
    return start(configuration(upstream, openid_connect(issuer, auth_methods=["bearer", "introspection"])),
                 GATEHOUSE_INTROSPECTION_GROUP="services")


def ask(gatehouse, token: str, accept: str = "application/json", **form) -> httpx.Response:
    return httpx.post(gatehouse.url + "/oauth2/introspect", data={"token": token, **form}, auth=("orders", KEY),
                      headers={"Accept": accept}, timeout=30)


def batch(gatehouse, entries) -> httpx.Response:
    return httpx.post(gatehouse.url + "/oauth2/introspect/batch", json=entries, headers={"apikey": KEY}, timeout=30)


def reason(gatehouse, path: str) -> str:
    line = gatehouse.wait_for_line(lambda line: line.get("path") == path and line.get("reason"))
    return line["reason"]


# Who may ask

def test_it_is_off_until_a_group_is_named(start, upstream, issuer):
    """And no route gets what was meant for it, though one takes every path."""
    gatehouse = start(configuration(upstream, openid_connect(issuer, auth_methods=["bearer"])))
    for path in ("/oauth2/introspect", "/oauth2/introspect/batch"):
        answer = httpx.post(gatehouse.url + path, data={"token": issuer.access_token()}, auth=("orders", KEY))
        assert (answer.status_code, answer.json()["message"]) == (404, "no Route matched with those values")
    assert upstream.seen == []


@pytest.mark.parametrize("shown, status", [
    ({}, 401), ({"auth": ("orders", OTHER)}, 401), ({"auth": ("orders", "nobodys-key")}, 401),
    ({"auth": ("stranger", OTHER)}, 403), ({"headers": {"apikey": OTHER}}, 403),
    ({"headers": {"apikey": KEY}, "auth": ("orders", KEY)}, 400), ({"params": {"apikey": KEY}}, 401),
    ({"auth": ("orders", KEY)}, 200), ({"headers": {"apikey": KEY}}, 200)])
def test_a_consumer_of_the_group_asks_and_nobody_else(gatehouse, issuer, shown, status):
    answer = httpx.post(gatehouse.url + "/oauth2/introspect", data={"token": issuer.access_token()}, **shown)
    assert answer.status_code == status
    if status == 401:
        assert [value.split()[0] for value in answer.headers.get_list("www-authenticate")] == ["Basic", "Key"]
    assert answer.headers["cache-control"] == "no-store"


def test_it_is_posted_or_nothing(gatehouse):
    answer = httpx.get(gatehouse.url + "/oauth2/introspect", params={"token": "x"}, auth=("orders", KEY))
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


# What is answered

def test_a_token_of_a_configured_issuer_is_active_with_its_claims(gatehouse, issuer):
    token = issuer.access_token(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}, deep={"a": [1, None]})
    for _ in range(4):
        answer = ask(gatehouse, token)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        assert answer.json() == {**claims_of(token), "active": True}
    # Each loop verifies once; what it has proven it remembers.
    assert gatehouse.metric("gatehouse_proven_cache_total", outcome="hit") >= 2
    assert gatehouse.metric("gatehouse_introspections_total", form="single", outcome="active") == 4


@pytest.mark.parametrize("name, word", [
    ("expired", "expired"), ("another issuer", "wrong-issuer"), ("another audience", "wrong-audience"),
    ("forged", "bad-signature"), ("no token", "inactive-token"), ("an ID token", "wrong-type")])
def test_a_token_that_does_not_verify_is_not_active_and_nothing_more(gatehouse, issuer, name, word):
    token = {
        "expired": lambda: issuer.access_token(exp=now() - 1),
        "another issuer": lambda: issuer.access_token(iss="https://else.test"),
        "another audience": lambda: issuer.access_token(aud="else"),
        "forged": lambda: issuer.access_token()[:-8] + "AAAAAAAA",
        "no token": lambda: "made-up", "an ID token": lambda: issuer.id_token("n-0123456789"),
    }[name]()
    answer = ask(gatehouse, token)
    assert (answer.status_code, answer.content) == (200, b'{"active":false}')
    assert reason(gatehouse, "/oauth2/introspect") == word


def test_an_opaque_token_is_its_issuers_to_judge(gatehouse, issuer):
    token = issuer.opaque_token()
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: ask(gatehouse, token), range(40)))
    assert [answer.json() for answer in answers] == [issuer.opaque[token]] * 40
    # One question for all that came while it was asked, and its answer is kept.
    assert issuer.count("/introspect") == 1
    revoked = issuer.opaque_token()
    issuer.revoke(revoked)
    assert ask(gatehouse, revoked).json() == {"active": False}


def test_an_opaque_token_is_shown_to_no_issuer_but_its_own(start, upstream, issuer):
    """H6: with two issuers the service has to say whose it is."""
    with Issuer(name="second") as second:
        gatehouse = start(configuration(upstream, *[
            openid_connect(one, auth_methods=["bearer", "introspection"], client_id=[one.client_id],
                           client_secret=[one.client_secret]) for one in (issuer, second)]),
            GATEHOUSE_INTROSPECTION_GROUP="services")
        token = second.opaque_token()
        assert ask(gatehouse, token).json() == {"active": False}
        assert reason(gatehouse, "/oauth2/introspect") == "ambiguous-issuer"
        assert (issuer.count("/introspect"), second.count("/introspect")) == (0, 0)
        assert ask(gatehouse, token, iss=second.url).json() == second.opaque[token]
        assert (issuer.count("/introspect"), second.count("/introspect")) == (0, 1)
        # JWTs say it themselves.
        answers = batch(gatehouse, [issuer.access_token(), second.access_token()]).json()
        assert [answer["iss"] for answer in answers] == [issuer.url, second.url]


def test_an_issuer_that_is_down_makes_no_token_bad(gatehouse, issuer):
    issuer.trouble["/introspect"] = trouble.status(503)
    answer = ask(gatehouse, "opaque-token-0")
    assert answer.status_code == 503 and answer.headers["retry-after"]
    jwt = issuer.access_token()
    answers = batch(gatehouse, ["opaque-token-1", jwt]).json()
    assert answers == [{"active": False, "error": "temporarily_unavailable"}, {**claims_of(jwt), "active": True}]


def test_a_key_that_the_issuer_took_back_makes_no_token_active(start, upstream, issuer):
    gatehouse = start(configuration(upstream, openid_connect(
        issuer, auth_methods=["bearer"], rediscovery_lifetime=1)), GATEHOUSE_INTROSPECTION_GROUP="services")
    token = issuer.access_token()
    assert ask(gatehouse, token).json()["active"]
    former = issuer.keys.pop()
    issuer.keys.append(type(former)("next"))
    issuer.published = list(issuer.keys)
    wait_until(lambda: ask(gatehouse, issuer.access_token()).json()["active"], "the new key is known", 5)
    assert {ask(gatehouse, token).content for _ in range(8)} == {b'{"active":false}'}


@pytest.mark.parametrize("form, active", [
    ({"audience": "app"}, True), ({"resource": "app"}, True), ({"audience": "orders"}, False),
    ({"token_type_hint": "refresh_token"}, True)])
def test_a_service_may_say_who_it_is(gatehouse, issuer, form, active):
    assert ask(gatehouse, issuer.access_token(), **form).json()["active"] is active


# Signed answers, batches

def test_a_signed_answer_verifies_by_our_published_keys(gatehouse, issuer):
    token = issuer.access_token()
    for shown, expected in [(token, {**claims_of(token), "active": True}), ("made-up", {"active": False})]:
        answer = ask(gatehouse, shown, accept=SIGNED)
        assert (answer.headers["content-type"], answer.headers["cache-control"]) == (SIGNED, "no-store")
        assert json.loads(decode(answer.text.split(".")[0]))["typ"] == "token-introspection+jwt"
        claims = verified(answer.text, gatehouse.url + "/oauth2/jwks")
        assert claims.pop("iat") in range(now() - 5, now() + 2)
        assert claims == {"iss": "gatehouse", "aud": "orders", "token_introspection": expected}


def test_a_batch_keeps_its_order_whatever_is_in_it(gatehouse, issuer):
    tokens = [issuer.access_token(subject=f"user-{number}") for number in range(40)]
    opaque = [issuer.opaque_token(sub=f"opaque-{number}") for number in range(20)]
    entries = [entry for pair in zip(tokens, [*opaque, *["bad", 7, None, {}] * 5]) for entry in pair]
    answers = batch(gatehouse, entries)
    assert answers.headers["cache-control"] == "no-store"
    for entry, answer in zip(entries, answers.json(), strict=True):
        if entry in tokens:
            assert answer == {**claims_of(entry), "active": True}
        else:
            assert answer == issuer.opaque.get(entry if isinstance(entry, str) else "", {"active": False})


@pytest.mark.parametrize("body, kind, status", [
    (b"[" + b",".join([b'"x"'] * 101) + b"]", "application/json", 413),
    (b'["' + b"x" * (1 << 20) + b'"]', "application/json", 413),
    (b'{"token":"x"}', "application/json", 400), (b"[", "application/json", 400),
    (b'["x"]', "text/plain", 415)])
def test_a_batch_has_its_bounds(gatehouse, body, kind, status):
    answer = httpx.post(gatehouse.url + "/oauth2/introspect/batch", content=body,
                        headers={"apikey": KEY, "Content-Type": kind}, timeout=30)
    assert answer.status_code == status


def test_a_real_route_next_to_it_is_untouched(gatehouse, upstream):
    assert httpx.post(gatehouse.url + "/oauth2/introspection", data={"token": "x"}).status_code == 200
    assert upstream.last.target == "/oauth2/introspection"
