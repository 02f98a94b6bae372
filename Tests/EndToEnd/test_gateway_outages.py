"""What clients of other people's gateways see while Gatehouse is restarted or killed under load; reloads are beside the logins."""
import re
import signal
import threading

import httpx
import pytest

from support.gatehouse import CALLS, ROOT, route, service
from support.gateways import ALL
from support.processes import wait_until

TRUSTED = {"GATEHOUSE_TRUSTED_IPS": "127.0.0.1/32", **CALLS}


class Load:
    """Three clients that ask without a pause, each on one connection."""

    def __init__(self, url: str):
        self.url, self.statuses, self.done = url, [], threading.Event()
        self.answers = [0, 0, 0]
        self.clients = [threading.Thread(target=self.ask, args=(number,)) for number in range(3)]

    def ask(self, number: int):
        with httpx.Client(timeout=30) as client:
            while not self.done.is_set():
                try:
                    self.statuses.append(client.get(self.url).status_code)
                except httpx.TransportError as error:
                    self.statuses.append(type(error).__name__)
                self.answers[number] += 1

    def more(self, count: int = 15) -> list:
        """The next answers."""
        asked = len(self.statuses)
        wait_until(lambda: len(self.statuses) >= asked + count, "more answers", 60)
        return self.statuses[asked:]

    def settle(self):
        """Waits until each client has the answer to a request that it began after this."""
        before = list(self.answers)
        wait_until(lambda: all(now >= then + 2 for now, then in zip(self.answers, before)), "each asks anew", 60)

    def until(self, status) -> None:
        asked = len(self.statuses)
        wait_until(lambda: status in self.statuses[asked:], f"an answer of {status}", 60)

    def __enter__(self):
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for client in self.clients:
            client.join()


@pytest.mark.parametrize("way", ["SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_away_lets_nothing_pass_and_back_lets_all_pass(kind, way, start, upstream, tmp_path):
    """P8: every answer is the application's or the gateway's own no; nothing is reset, and nothing hangs."""
    if kind.missing():
        pytest.fail(kind.missing())
    gatehouse = start({"services": [service(upstream.url, route("open", "/open"))]}, **TRUSTED)
    gateway = kind(tmp_path / kind.name, gatehouse, upstream.port).start()
    try:
        with Load(gateway.url + "/open") as load:
            assert set(load.more()) == {200}
            gatehouse.process.signal(getattr(signal, way))
            load.until(gateway.without_verdict)
            wait_until(lambda: not gatehouse.process.alive, "it has ended", 60)
            # What had its verdict before may still be on its way.
            load.settle()
            before = len(upstream.seen)
            assert set(load.more(30)) == {gateway.without_verdict}
            assert len(upstream.seen) == before
            gatehouse.start()
            load.until(200)
            wait_until(lambda: set(load.more(30)) == {200}, "all pass again", 60)
        assert set(load.statuses) == {200, gateway.without_verdict}
    finally:
        gateway.stop()


def test_the_table_says_what_they_see():
    text = (ROOT / "docs/gateways/README.md").read_text().split("## Gatehouse away", 1)[1].split("\n## ", 1)[0]
    rows = {name: int(away) for name, away in re.findall(r"^\| ([a-z-]+) \| none \| (\d{3}) \| \2 \|", text, re.M)}
    assert rows == {kind.name.removesuffix("-played"): kind.without_verdict for kind in ALL if kind.name != "caddy-debian"}
