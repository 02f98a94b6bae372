"""API keys and access control lists."""
import httpx
import pytest

from support import ledger
from support.gatehouse import plugin, route, service

KEYS = {"ann": ledger.keep("anns-key-1234567890", "API key"), "ben": ledger.keep("bens-key-1234567890", "API key")}


@pytest.fixture
def gatehouse(start, upstream):
    """A route for known consumers and one for the group `writers`."""
    return start({
        "services": [service(
            upstream.url,
            route("known", "/known", plugins=[plugin("key-auth")]),
            route("writers", "/writers", plugins=[plugin("key-auth"), plugin("acl", allow=["writers"])]),
            route("named", "/named", plugins=[plugin("key-auth", key_names=["x-my-key"], hide_credentials=False)]),
            route("open", "/open", plugins=[plugin("key-auth", anonymous="guest")]))],
        "consumers": [
            {"username": "ann", "custom_id": "7", "keyauth_credentials": [{"key": KEYS["ann"]}],
             "acls": [{"group": "writers"}]},
            {"username": "ben", "keyauth_credentials": [{"key": KEYS["ben"]}], "acls": [{"group": "readers"}]},
            {"username": "guest"}],
    })


def test_no_key_and_a_wrong_key_are_401(gatehouse, upstream):
    answer = httpx.get(gatehouse.url + "/known")
    assert (answer.status_code, answer.json()["message"]) == (401, "No API key found in request")
    assert answer.headers["www-authenticate"].startswith("Key")
    answer = httpx.get(gatehouse.url + "/known", headers={"apikey": "nobodys-key"})
    assert (answer.status_code, answer.json()["message"]) == (401, "Unauthorized")
    assert upstream.seen == []


def test_a_right_key_names_the_consumer_and_is_hidden(gatehouse):
    sent = httpx.get(gatehouse.url + "/known", headers={"apikey": KEYS["ann"]}).json()
    assert sent["headers"]["x-consumer-username"] == "ann"
    assert sent["headers"]["x-consumer-custom-id"] == "7"
    assert KEYS["ann"] not in str(sent)


def test_a_key_in_the_query_is_hidden_too(gatehouse):
    sent = httpx.get(gatehouse.url + "/known", params={"a": "1", "apikey": KEYS["ann"], "b": "2"}).json()
    assert sent["headers"]["x-consumer-username"] == "ann"
    assert sent["target"] == "/known?a=1&b=2"


def test_two_keys_are_no_key(gatehouse, upstream):
    answer = httpx.get(gatehouse.url + "/known", headers=[("apikey", KEYS["ann"]), ("apikey", KEYS["ben"])])
    assert answer.status_code == 401
    assert upstream.seen == []


def test_another_name_and_a_key_that_is_shown(gatehouse):
    assert httpx.get(gatehouse.url + "/named", headers={"apikey": KEYS["ann"]}).status_code == 401
    sent = httpx.get(gatehouse.url + "/named", headers={"x-my-key": KEYS["ann"]}).json()
    assert sent["headers"]["x-my-key"] == KEYS["ann"]


def test_the_list_decides(gatehouse):
    assert httpx.get(gatehouse.url + "/writers", headers={"apikey": KEYS["ann"]}).status_code == 200
    answer = httpx.get(gatehouse.url + "/writers", headers={"apikey": KEYS["ben"]})
    assert (answer.status_code, answer.json()["message"]) == (403, "You cannot consume this service")


def test_anonymous_passes_as_that_consumer(gatehouse):
    sent = httpx.get(gatehouse.url + "/open").json()["headers"]
    assert (sent["x-consumer-username"], sent["x-anonymous-consumer"]) == ("guest", "true")
    sent = httpx.get(gatehouse.url + "/open", headers={"apikey": KEYS["ann"]}).json()["headers"]
    assert sent["x-consumer-username"] == "ann" and "x-anonymous-consumer" not in sent


SPOOFS = [
    "X-Consumer-ID", "X-Consumer-Username", "x-consumer-username", "X_Consumer_Username", "X.Consumer.Username",
    "X-Consumer_Custom-ID", "X-Consumer-Custom-ID", "X-Credential-Identifier", "X-Anonymous-Consumer",
    "X-Authenticated-Groups", "X_Authenticated_Groups", "X-Consumer-Groups",
]


@pytest.mark.parametrize("name", SPOOFS)
def test_a_clients_own_identity_is_dropped(gatehouse, name):
    """H1: in any spelling, on a route with a consumer and on one without."""
    for path, fields in [("/known", {"apikey": KEYS["ben"]}), ("/open", {})]:
        sent = httpx.get(gatehouse.url + path, headers={**fields, name: "spoofed-identity"}).json()
        assert "spoofed-identity" not in str(sent)


def test_connection_cannot_nominate_an_identity_field(gatehouse):
    """H2: hop-by-hop fields go before ours are set."""
    sent = httpx.get(gatehouse.url + "/known", headers={
        "apikey": KEYS["ann"], "Connection": "keep-alive, X-Consumer-Username, X-Forwarded-For"}).json()["headers"]
    assert sent["x-consumer-username"] == "ann"
    assert sent["x-forwarded-for"] == "127.0.0.1"
