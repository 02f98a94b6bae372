"""Credentials in `Authorization: Basic`: the gateway gets the token."""
import concurrent.futures
import time

import httpx
import pytest

from support.gatehouse import openid_connect, route, service


@pytest.fixture
def gatehouse(start, upstream, issuer):
    return start({"services": [service(
        upstream.url,
        route("service", "/service", plugins=[openid_connect(issuer, auth_methods=["client_credentials"])]),
        route("person", "/person", plugins=[openid_connect(issuer, auth_methods=["password"])]),
        route("bearer", "/bearer", plugins=[openid_connect(issuer, auth_methods=["bearer"])]),
        route("both", "/both", plugins=[openid_connect(issuer, auth_methods=["password", "client_credentials"])]))]})


def token_requests(issuer) -> list[str]:
    return [asked.form["grant_type"] for asked in issuer.asked if asked.path == "/token"]


def test_client_credentials_become_a_token(gatehouse, issuer):
    answer = httpx.get(gatehouse.url + "/service", auth=("service", issuer.service_secret))
    assert answer.status_code == 200
    assert answer.json()["headers"]["authorization"].startswith("Bearer ey")
    assert issuer.service_secret not in answer.text


def test_a_password_becomes_a_token(gatehouse, issuer):
    for user in ("alice", "bob"):
        answer = httpx.get(gatehouse.url + "/person", auth=(user, issuer.passwords[user]))
        assert answer.status_code == 200
        assert answer.json()["headers"]["authorization"].startswith("Bearer ey")
    asked = next(asked for asked in issuer.asked if asked.path == "/token")
    assert asked.query == {} and asked.form["username"] == "alice"


def test_results_are_cached_and_a_wrong_password_is_never_right(gatehouse, issuer):
    """The grant is asked for once a worker; a right answer serves no wrong password, nor the other way round."""
    right, wrong = ("alice", issuer.passwords["alice"]), ("alice", issuer.passwords["alice"] + "x")
    with httpx.Client() as client:
        assert [client.get(gatehouse.url + "/person", auth=right).status_code for _ in range(10)] == [200] * 10
        assert len(token_requests(issuer)) <= 2
        assert [client.get(gatehouse.url + "/person", auth=wrong).status_code for _ in range(3)] == [401] * 3
        assert client.get(gatehouse.url + "/person", auth=right).status_code == 200
        assert client.get(gatehouse.url + "/person", auth=("bob", issuer.passwords["alice"])).status_code == 401


def test_many_at_once_are_one_question(gatehouse, issuer):
    """A18: whoever asks while the issuer thinks gets its one answer."""
    granted = issuer.grant

    def slowly(form: dict):
        time.sleep(0.5)
        return granted(form)

    issuer.grant = slowly
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        statuses = list(pool.map(lambda _: httpx.get(
            gatehouse.url + "/service", auth=("service", issuer.service_secret)).status_code, range(40)))
    assert statuses == [200] * 40
    assert token_requests(issuer) == ["client_credentials"]


def test_a_cached_result_is_not_shared_between_grants(gatehouse, issuer):
    """H4, A18: the same name and secret mean something else on another route."""
    assert httpx.get(gatehouse.url + "/person", auth=("alice", issuer.passwords["alice"])).status_code == 200
    assert httpx.get(gatehouse.url + "/service", auth=("alice", issuer.passwords["alice"])).status_code == 401
    assert httpx.get(gatehouse.url + "/bearer", auth=("alice", issuer.passwords["alice"])).status_code == 401


def test_both_grants_on_one_route(gatehouse, issuer):
    assert httpx.get(gatehouse.url + "/both", auth=("alice", issuer.passwords["alice"])).status_code == 200
    assert httpx.get(gatehouse.url + "/both", auth=("service", issuer.service_secret)).status_code == 200
    assert httpx.get(gatehouse.url + "/both", auth=("service", "wrong-secret")).status_code == 401


@pytest.mark.parametrize("value", ["Basic", "Basic !!!", "Basic YWxpY2U=", "Basic OnB3", "Basic YTpi c"])
def test_a_malformed_credential_asks_nothing(gatehouse, issuer, value):
    answer = httpx.get(gatehouse.url + "/person", headers={"Authorization": value})
    assert answer.status_code in (400, 401)
    assert token_requests(issuer) == []


def test_secrets_in_a_query_are_refused(gatehouse, issuer, upstream):
    """Every `*_param_type` is `header`."""
    for query in ({"username": "alice", "password": issuer.passwords["alice"]},
                  {"client_id": "service", "client_secret": issuer.service_secret}):
        assert httpx.get(gatehouse.url + "/both", params=query).status_code == 401
    assert token_requests(issuer) == [] and upstream.seen == []


def test_grants_that_are_not_named_are_off(start, upstream, issuer):
    """A13: neither passwords nor client credentials unless the file says so."""
    gatehouse = start({"services": [service(upstream.url, route("api", "/", plugins=[
        openid_connect(issuer, auth_methods=None)]))]})
    for credentials in [("alice", issuer.passwords["alice"]), ("service", issuer.service_secret)]:
        assert httpx.get(gatehouse.url, auth=credentials).status_code == 401
    assert token_requests(issuer) == []


def test_an_issuer_that_is_down_is_503(gatehouse, issuer):
    issuer.stop()
    answer = httpx.get(gatehouse.url + "/person", auth=("alice", issuer.passwords["alice"]))
    assert answer.status_code == 503 and "retry-after" in answer.headers
    issuer.start()
