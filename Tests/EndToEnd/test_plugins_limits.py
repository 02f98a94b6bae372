"""Rates and addresses, seen from outside: one limit for all workers, kept through reloads."""
import concurrent.futures
import json
import time

import httpx
import pytest

from support import ledger
from support.gatehouse import plugin, route, run, service
from support.rawsocket import RawConnection

TRUSTED = {"GATEHOUSE_TRUSTED_IPS": "127.0.0.1/32"}


def limited(upstream, **config) -> dict:
    """One route with a limit."""
    return {"services": [service(upstream.url, route("api", "/api", plugins=[plugin("rate-limiting", **config)]))]}


def as_client(address: str) -> dict:
    return {"X-Forwarded-For": address}


def test_the_limit_is_told_and_held(start, upstream):
    gatehouse = start(limited(upstream, hour=3))
    left = []
    for _ in range(3):
        answer = httpx.get(gatehouse.url + "/api")
        assert answer.status_code == 200
        assert answer.headers["x-ratelimit-limit-hour"] == answer.headers["ratelimit-limit"] == "3"
        assert 1 <= int(answer.headers["ratelimit-reset"]) <= 3600
        left.append(answer.headers["x-ratelimit-remaining-hour"])
    assert left == ["2", "1", "0"]
    answer = httpx.get(gatehouse.url + "/api")
    assert (answer.status_code, answer.json()["message"]) == (429, "API rate limit exceeded")
    assert answer.headers["retry-after"] == answer.headers["ratelimit-reset"]
    assert answer.headers["x-ratelimit-remaining-hour"] == "0"
    assert len(upstream.seen) == 3
    line = gatehouse.wait_for_line(lambda line: line.get("reason") == "rate-limited")
    assert line["detail"] == "3 in a hour by consumer"
    assert gatehouse.refusals("rate-limited") == 1


def test_two_workers_keep_one_limit(start, upstream):
    """Many connections are spread over both workers; together they get exactly the limit."""
    gatehouse = start(limited(upstream, day=40), GATEHOUSE_WORKERS="2")

    def ask(_) -> int:
        with RawConnection(gatehouse.port) as connection:
            connection.send(b"GET /api HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return connection.read().status

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(ask, range(120)))
    assert (statuses.count(200), statuses.count(429)) == (40, 80)
    assert len(upstream.seen) == 40


def test_a_reload_keeps_the_counts(start, upstream):
    gatehouse = start(limited(upstream, hour=2))
    assert httpx.get(gatehouse.url + "/api").headers["ratelimit-remaining"] == "1"
    assert run("reload", environment=gatehouse.environment, folder=gatehouse.folder).returncode == 0
    assert httpx.get(gatehouse.url + "/api").headers["ratelimit-remaining"] == "0"
    gatehouse.write(limited(upstream, hour=3))
    assert run("reload", environment=gatehouse.environment, folder=gatehouse.folder).returncode == 0
    assert httpx.get(gatehouse.url + "/api").headers["ratelimit-remaining"] == "0"
    assert httpx.get(gatehouse.url + "/api").status_code == 429


def test_who_waits_passes_again(start, upstream):
    gatehouse = start(limited(upstream, second=1))
    assert httpx.get(gatehouse.url + "/api").status_code == 200
    refused = httpx.get(gatehouse.url + "/api")
    assert refused.status_code == 429
    # The only thing to wait for here is time, and the answer says how long.
    end = time.monotonic() + int(refused.headers["retry-after"]) + 1
    while (answer := httpx.get(gatehouse.url + "/api")).status_code == 429:
        assert time.monotonic() < end
    assert answer.status_code == 200


def test_a_stranger_does_not_choose_his_address(start, upstream):
    """P1: the limit by address counts the address that is believed."""
    gatehouse = start(limited(upstream, hour=1, limit_by="ip"))
    assert httpx.get(gatehouse.url + "/api", headers=as_client("203.0.113.1")).status_code == 200
    assert httpx.get(gatehouse.url + "/api", headers=as_client("203.0.113.2")).status_code == 429


def test_addresses_are_counted_apart_and_networks_of_one_subscriber_together(start, upstream):
    gatehouse = start(limited(upstream, hour=1, limit_by="ip"), **TRUSTED)
    for address, status in [("203.0.113.1", 200), ("203.0.113.1", 429), ("203.0.113.2", 200),
                            ("2001:db8::1", 200), ("2001:db8::2", 429), ("2001:db8:0:1::1", 200)]:
        assert httpx.get(gatehouse.url + "/api", headers=as_client(address)).status_code == status, address


def test_consumers_have_limits_of_their_own(start, upstream):
    keys = {name: ledger.keep(f"{name}-limited-key-123", "API key") for name in ("ann", "ben")}
    gatehouse = start({
        "services": [service(upstream.url, route("api", "/api", plugins=[
            plugin("key-auth"), plugin("rate-limiting", hour=1)]))],
        "consumers": [
            {"username": "ann", "keyauth_credentials": [{"key": keys["ann"]}],
             "plugins": [plugin("rate-limiting", hour=2)]},
            {"username": "ben", "keyauth_credentials": [{"key": keys["ben"]}]}],
    })

    def statuses(name: str) -> list[int]:
        return [httpx.get(gatehouse.url + "/api", headers={"apikey": keys[name]}).status_code for _ in range(3)]

    assert statuses("ann") == [200, 200, 429]
    assert statuses("ben") == [200, 429, 429]
    assert httpx.get(gatehouse.url + "/api").status_code == 401, "authentication comes first"


def test_a_callout_is_counted_too(start, upstream):
    gatehouse = start(limited(upstream, hour=1), **TRUSTED)
    ask = {"X-Original-URL": "http://app.example.test/api"}
    answer = httpx.get(gatehouse.url + "/oauth2/auth", headers=ask)
    assert (answer.status_code, answer.headers["ratelimit-remaining"]) == (202, "0")
    # nginx knows 401 and 403; the fields say the rest.
    answer = httpx.get(gatehouse.url + "/oauth2/auth", headers=ask)
    assert (answer.status_code, answer.headers["ratelimit-remaining"]) == (403, "0") and answer.headers["retry-after"]
    assert httpx.get(gatehouse.url + "/api").status_code == 429


@pytest.mark.parametrize("config, word", [
    ({"minute": 5, "policy": "redis", "redis": {"host": "r"}}, "not served yet"),
    ({"minute": 5, "policy": "cluster"}, "not served yet"),
    ({"limit_by": "ip"}, "needs a limit"),
])
def test_what_is_not_served_is_said(tmp_path, config, word):
    file = tmp_path / "gatehouse.yaml"
    file.write_text(json.dumps({"_format_version": "3.0", "plugins": [plugin("rate-limiting", **config)]}))
    answer = run("check", str(file))
    assert answer.returncode == 1 and word in answer.stdout


def test_addresses_are_let_in_or_not(start, upstream):
    gatehouse = start({"services": [service(
        upstream.url,
        route("inside", "/inside", plugins=[plugin("ip-restriction", allow=["10.0.0.0/8", "fd00::/8"])]),
        route("outside", "/outside", plugins=[
            plugin("ip-restriction", deny=["203.0.113.0/24"], status=404, message="nothing here")]))]}, **TRUSTED)
    for path, address, status in [
            ("/inside", "10.255.255.255", 200), ("/inside", "11.0.0.0", 403), ("/inside", "fdff::1", 200),
            ("/inside", "fe00::1", 403), ("/outside", "203.0.112.255", 200), ("/outside", "203.0.113.0", 404)]:
        answer = httpx.get(gatehouse.url + path, headers=as_client(address))
        assert answer.status_code == status, (path, address)
    assert answer.json()["message"] == "nothing here"
    # Without a proxy's word the connection's own address counts.
    assert httpx.get(gatehouse.url + "/inside").status_code == 403
    assert {seen.target for seen in upstream.seen} == {"/inside", "/outside"} and len(upstream.seen) == 3


def test_an_address_that_is_not_allowed_reaches_no_login(start, upstream):
    gatehouse = start({"services": [service(upstream.url, route("api", "/api", plugins=[
        plugin("key-auth"), plugin("ip-restriction", deny=["127.0.0.1"])]))]})
    answer = httpx.get(gatehouse.url + "/api")
    assert (answer.status_code, answer.json()["message"]) == (403, "IP address not allowed: 127.0.0.1")
