"""Names of upstreams that move, have several addresses, and stop resolving."""
import concurrent.futures
import itertools
import os
import time

import httpx
import pytest

from support.gatehouse import route, service
from support.processes import free_port, wait_until
from support.upstream import Upstream

OLD, NEW = "127.0.0.2", "127.0.0.3"


class Hosts:
    """A hosts file that the program under test takes for the system's."""

    def __init__(self, folder):
        self.path, self.times = folder / "hosts", itertools.count(int(time.time()), 2)
        self.write()

    def write(self, **addresses: list[str]):
        """Says which addresses `NAME.test` has, and nothing else; a later time tells that the file is another."""
        lines = ["127.0.0.1 localhost"] + [f"{each} {name}.test" for name in addresses for each in addresses[name]]
        made, moment = self.path.with_suffix(".new"), next(self.times)
        made.write_text("\n".join(lines) + "\n")
        os.utime(made, (moment, moment))
        made.rename(self.path)

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": "libnss_wrapper.so", "NSS_WRAPPER_HOSTS": str(self.path)}


@pytest.fixture
def hosts(tmp_path):
    return Hosts(tmp_path)


@pytest.fixture
def pair():
    """The same API at two addresses, on one port."""
    port = free_port()
    with Upstream(port, OLD) as old, Upstream(port, NEW) as new:
        yield old, new


@pytest.fixture
def gatehouse(start, hosts, pair):
    return start(
        {"services": [service(f"http://zone.test:{pair[0].port}", route("zone", "/"))]},
        GATEHOUSE_DNS_VALID_TTL="1", **hosts.environment)


def ask_at_once(gatehouse, count: int = 8) -> list[int]:
    """The statuses of requests that are under way at the same time, and so need a connection each."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: httpx.get(f"{gatehouse.url}/?wait=0.3", timeout=10).status_code, range(count)))


def test_connections_go_to_all_addresses_of_a_name(hosts, pair, gatehouse):
    hosts.write(zone=[OLD, NEW])
    assert ask_at_once(gatehouse) == [200] * 8
    assert all(one.seen for one in pair)


def test_a_name_that_moves_takes_its_traffic_along(hosts, pair, gatehouse):
    old, new = pair
    hosts.write(zone=[OLD])
    statuses = []
    with httpx.Client(base_url=gatehouse.url) as client:
        def left() -> bool:
            statuses.append(client.get("/").status_code)
            return bool(new.seen) and not old.server.connections

        assert client.get("/").status_code == 200
        assert old.seen and not new.seen
        hosts.write(zone=[NEW])
        wait_until(left, "the old address has no connection left")
        before = len(old.seen)
        assert client.get("/").status_code == 200
        assert len(old.seen) == before
    assert set(statuses) == {200}, "a busy connection ends between two requests"
    line = gatehouse.wait_for_line(lambda line: line.get("message") == "name resolved" and line["addresses"] == NEW)
    assert line["name"] == "zone.test"


def test_while_a_name_does_not_resolve_its_last_addresses_serve(hosts, pair, gatehouse):
    hosts.write(zone=[NEW])
    assert httpx.get(gatehouse.url).status_code == 200
    hosts.write()
    gatehouse.wait_for_line(lambda line: line.get("message") == "name does not resolve")
    assert ask_at_once(gatehouse) == [200] * 8, "new connections are made all the same"
    failed = gatehouse.metric("gatehouse_name_lookups_total", result="failed")
    wait_until(
        lambda: gatehouse.metric("gatehouse_name_lookups_total", result="failed") > failed, "it is asked for again")
    hosts.write(zone=[OLD])
    gatehouse.wait_for_line(lambda line: line.get("message") == "name resolved" and line["addresses"] == OLD)
    said = [line for line in gatehouse.whole_lines() if line.get("message") == "name does not resolve"]
    assert len(said) == 1, "a change is told once, not each failure"


def test_a_name_without_an_address_is_503_until_it_has_one(hosts, pair, gatehouse):
    answer = httpx.get(gatehouse.url)
    assert answer.status_code == 503
    assert answer.json()["message"] == "name resolution failed"
    gatehouse.wait_for_line(lambda line: line.get("reason") == "upstream-name-not-resolved")
    hosts.write(zone=[NEW])
    wait_until(lambda: httpx.get(gatehouse.url).status_code == 200, "the name resolves")
