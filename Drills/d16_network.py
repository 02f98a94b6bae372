"""D16 network: loss, delay, reordering, small packets and silence, on the client's side and on the upstream's."""
import contextlib
import http.client
import socket
import sys
import threading
import time

from Drills import network
from Drills.bars import NotHere, most
from Drills.network import Link, Namespace
from Drills.site import SERVER_CORE, Site, Vitals, on_core
from support.gatehouse import ROOT, Gatehouse, clean_environment, route, service
from support.processes import Process, accepts, wait_until

# Seconds of a client's and the upstream's silence, and of connecting: TCP's own patience with 5 % loss fits in.
LIMIT, CONNECT = 5, 10
SIZE = 300_000
WEATHER = {
    "lossy": ("loss 5 %, delay 200 ms", dict(loss=0.05, delay=0.2)),
    "disordered": ("reordering within 40 ms", dict(delay=0.005, jitter=0.04)),
    "narrow": ("MTU 500", {}),
}
BARS = [
    *(most(name, f"{text}, both sides: requests not answered whole", 0) for name, (text, _) in WEATHER.items()),
    most("answer", f"upstream falls silent: slowest 504; connect limit {CONNECT} s, read limit {LIMIT} s", CONNECT + 1, " s"),
    most("strange", "upstream falls silent: answers other than 504", 0),
    most("back", "upstream is heard again: first 200 after", 5, " s"),
    most("stuck", "clients fall silent: connections still there after 60 s", 0),
    most("files", "descriptors back to the start within", 10, " s"),
]


def drill(site: Site) -> dict:
    if reason := network.missing():
        return {bar.name: NotHere(reason) for bar in BARS}
    site.note("packets are carried by the drill itself (TUN devices between namespaces), as kernels without netem have no weather")
    client, middle, origin = (Namespace(name) for name in ("client", "gateway", "origin"))
    for namespace in (client, middle, origin):
        site.ending.callback(namespace.remove)
    links = [Link(client, middle, 1), Link(middle, origin, 2)]
    for link in links:
        site.ending.callback(link.remove)
    with origin.inside():
        process = Process(
            [sys.executable, "-B", "-m", "support.upstream", f"{links[1].addresses[1]}:80"], str(site.folder / "origin.log"),
            {**clean_environment(), "PYTHONPATH": f"{ROOT}/Tests/Support"})
        site.ending.callback(process.kill)
    with middle.inside():
        gatehouse = start(site, links)
        # What ends the program needs no network.
        vitals = Inside(gatehouse, middle)
    place = Place(client, links[0].addresses[1], gatehouse.port)
    figures = {name: weather(site, place, links, name) for name in WEATHER}
    figures |= silent_upstream(site, place, links[1])
    return {**figures, "stuck": silent_clients(site, place, links[0], vitals), "files": vitals.files_back()}


def start(site: Site, links: list[Link]) -> Gatehouse:
    """The program in its namespace, with limits that can be waited for."""
    seconds = {name: str(LIMIT) for name in ("GATEHOUSE_LIMIT_HEAD_SECONDS", "GATEHOUSE_LIMIT_BODY_SECONDS",
                                             "GATEHOUSE_LIMIT_IDLE_SECONDS")}
    made = Gatehouse(site.folder / "gatehouse", {"services": [service(
        f"http://{links[1].addresses[1]}:80", route("all", "/"), connect_timeout=CONNECT * 1000, read_timeout=LIMIT * 1000,
        retries=0)]}, GATEHOUSE_WORKERS="1", GATEHOUSE_ACCESS_LOG="off", GATEHOUSE_LOG_LEVEL="notice", **seconds)
    made.environment["GATEHOUSE_PROXY_LISTEN"] = f"0.0.0.0:{made.port}"
    site.ending.callback(made.stop)
    with on_core(SERVER_CORE):
        return made.start()


class Inside(Vitals):
    """Vitals of a program whose metrics are asked for in its namespace."""

    def __init__(self, gatehouse: Gatehouse, namespace: Namespace):
        super().__init__(gatehouse)
        self.namespace = namespace

    def connections(self) -> int:
        with self.namespace.inside():
            return super().connections()


class Place:
    """Where clients ask from, and whom."""

    def __init__(self, namespace: Namespace, host: str, port: int):
        self.namespace, self.host, self.port = namespace, host, port

    def connect(self, seconds: float = 60) -> socket.socket:
        with self.namespace.inside():
            link = socket.socket()
        link.settimeout(seconds)
        link.connect((self.host, self.port))
        return link

    def ask(self, target: str, body: bytes | None = None) -> tuple[int, bytes]:
        """One request's status and body; 0 where the answer was not whole."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=90)
        try:
            connection.sock = self.connect()
            connection.request("POST" if body else "GET", target, body=body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()


def side_by_side(count: int, work) -> list:
    """What `work(number)` gave, in threads."""
    results: list = [None] * count

    def one(number: int):
        results[number] = work(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def weather(site: Site, place: Place, links: list[Link], name: str) -> int:
    """Downloads, uploads and short requests side by side, in one weather; how many were not whole."""
    for link in links:
        vars(link).update({"loss": 0.0, "delay": 0.0, "jitter": 0.0, **WEATHER[name][1]})
        link.mtu(500 if name == "narrow" else 1500)

    def one(number: int) -> bool:
        if number % 4 == 0:
            return place.ask(f"/?size={SIZE}") == (200, b"x" * SIZE)
        if number % 4 == 1:
            status, said = place.ask("/?size=7", b"y" * (SIZE // 4))
            return (status, said) == (200, b"x" * 7)
        return place.ask("/?size=7") == (200, b"x" * 7)

    began = time.monotonic()
    good = side_by_side(site.pick(40, 8), one)
    for link in links:
        vars(link).update({"loss": 0.0, "delay": 0.0, "jitter": 0.0})
        link.mtu(1500)
    site.note(f"{WEATHER[name][0]}: {sum(good)} of {len(good)} whole in {time.monotonic() - began:.0f} s; packets carried "
              f"{sum(link.carried for link in links)}, lost {sum(link.lost for link in links)}")
    return len(good) - sum(good)


def silent_upstream(site: Site, place: Place, link: Link) -> dict:
    """Nothing comes through to the upstream, and nobody is told: on kept connections and on new ones."""
    side_by_side(10, lambda _: place.ask("/?size=7"))
    link.is_cut = True

    def one(number: int) -> tuple[int, float]:
        began = time.monotonic()
        return place.ask("/?size=7")[0], time.monotonic() - began

    said = [*side_by_side(10, one), *side_by_side(10, one)]
    link.is_cut = False
    began = time.monotonic()
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: place.ask("/?size=7")[0] == 200, "the upstream is heard again", 30)
    site.note(f"silent upstream: statuses {sorted({status for status, _ in said})}")
    return {"answer": max(seconds for _, seconds in said), "strange": sum(1 for status, _ in said if status != 504),
            "back": time.monotonic() - began}


def silent_clients(site: Site, place: Place, link: Link, vitals: Inside) -> int:
    """Clients amid a head, a body, a download, and idle, who are never heard of again."""
    openings = [b"", b"GET / HTTP/1.1\r\nHost: a\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx",
                b"GET /?size=5000000 HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /?size=7 HTTP/1.1\r\nHost: a\r\n\r\n",
                b"GET /?drip=30 HTTP/1.1\r\nHost: a\r\n\r\n"]
    members = [place.connect() for _ in openings for _ in range(site.pick(10, 2))]
    for number, member in enumerate(members):
        member.sendall(openings[number % len(openings)])
    time.sleep(0.5)
    there, began = vitals.connections(), time.monotonic()
    link.is_cut = True
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: vitals.connections() == 0, "nobody is there", 61)
    left = vitals.connections()
    site.note(f"silent clients: {there} were there, {left} after {time.monotonic() - began:.0f} s")
    for member in members:
        member.close()
    link.is_cut = False
    return left
