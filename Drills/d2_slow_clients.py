"""D2 every other kind of client that gives nothing or takes nothing."""
import contextlib
import select
import socket
import time

from Drills.bars import Bar, least, most
from Drills.crowd import Crowd, abort
from Drills.good import GoodClient, good_bars, good_figures
from Drills.site import Site, Vitals, plain
from support.rawsocket import RawConnection

ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(189))
# The sink wants a whole body before it answers; what is sipped comes no faster than the origin can give to all.
ORIGIN = """location /echo { return 200 '$arg_n'; }
    location /sink { proxy_pass http://127.0.0.1:$server_port/; }
    location /sips/ { alias {folder}/files/; limit_rate 50k; }"""
LIMIT = 5
MODES = {
    "body": "bodies that stop", "drip": "bodies an octet a second", "sip": "answers read 1 KB a second",
    "idle": "connections that say nothing", "kept": "connections kept after a request",
    "half": "clients that close their half", "reset": "clients that reset", "tls": "TLS on the plain port",
    "deep": "1,000 pipelined requests a connection",
}
CLOSED = {"body": "the body limit", "drip": "the body limit", "idle": "the head limit", "kept": "the idle limit", "tls": "the head limit"}


def bars() -> list[Bar]:
    """The bars of each kind, and those that only some have."""
    found = []
    for name, text in MODES.items():
        found += good_bars(f"{name} ", text)
        if name in CLOSED:
            found.append(least(f"{name} closed", f"{text}: closed by {CLOSED[name]} + 5 s", 99, " %"))
    return [
        *found, most("sip memory", "answers read slowly: memory a connection", 256, " KB"),
        most("drip memory", "bodies dripped: memory a connection", 20, " KB"),
        most("deep lost", "pipelined requests not answered, or out of order", 0),
        most("connections", "connections left after all", 0), most("files", "descriptors back to the start within", 10, " s")]


BARS = bars()


def drill(site: Site) -> dict:
    port = site.backend(ORIGIN)
    site.file("big", 50_000_000)
    gatehouse = site.gatehouse(
        plain(port), GATEHOUSE_LIMIT_HEAD_SECONDS=str(LIMIT), GATEHOUSE_LIMIT_BODY_SECONDS=str(LIMIT),
        GATEHOUSE_LIMIT_IDLE_SECONDS=str(LIMIT))
    vitals, good, figures = Vitals(gatehouse), GoodClient(gatehouse.port), {}
    before = good.round(site.pick(10, 2))
    for name in MODES:
        seconds = site.pick(10, 2)
        with good.beside() as during:
            figures |= {"half": half, "reset": reset, "deep": deep}.get(name, crowd)(site, name, vitals, seconds)
        figures |= good_figures(f"{name} ", before, during[0])
    wait = time.monotonic() + 10
    while (left := vitals.connections()) and time.monotonic() < wait:
        time.sleep(0.2)
    return {**figures, "connections": left, "files": vitals.files_back()}


def crowd(site: Site, name: str, vitals: Vitals, seconds: float) -> dict:
    """The kinds that only wait."""
    count = site.pick(2000, 50)
    said = {"body": dict(opening=POST + b"x" * 100), "drip": dict(opening=POST, drip=b"x"), "idle": {},
            "sip": dict(opening=ASK.replace(b" / ", b" /sips/big "), sip=1024), "kept": dict(opening=ASK),
            "tls": dict(opening=HELLO)}[name]
    memory, peak = vitals.memory(), [0.0]

    def watch():
        if len(members.members) > count * 0.8:
            peak[0] = max(peak[0], (vitals.memory() - memory) / len(members.members))

    with Crowd(vitals.gatehouse.port, count, **said) as members:
        members.run(seconds, watch)
        figures = {f"{name} memory": peak[0]}
        if name in CLOSED:
            members.run(LIMIT + 5, lambda: not members.members)
            figures[f"{name} closed"] = members.closed_within(LIMIT + 5)
        left = len(members.members)
    site.note(f"{MODES[name]}: {len(members.lifetimes)} of {count} thrown out, {left} still there, {peak[0]:.1f} KB each, "
              f"by status {dict(members.statuses)}")
    return figures


def half(site: Site, _: str, vitals: Vitals, seconds: float) -> dict:
    """A whole request, then the end of what the client sends; whether it is answered is noted, as peers differ."""
    end, lost, asked = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        with RawConnection(vitals.gatehouse.port) as link:
            link.send(ASK)
            link.socket.shutdown(socket.SHUT_WR)
            answer, asked = link.read(), asked + 1
            lost += answer is None or answer.status != 200
        time.sleep(0.02)
    site.note(f"clients that close their half: {lost} of {asked} got no answer")
    return {}


def reset(_: Site, __: str, vitals: Vitals, seconds: float) -> dict:
    """RST before a request, within one, after one, within a body and within an answer."""
    end, count = time.monotonic() + seconds, 0
    openings = [b"", ASK[:20], ASK, POST + b"x" * 1000, ASK.replace(b" / ", b" /sips/big ")]
    while time.monotonic() < end:
        link = socket.create_connection(("127.0.0.1", vitals.gatehouse.port), 5)
        link.sendall(openings[count % len(openings)])
        if count % 2:
            select.select([link], [], [], 0.01)
        abort(link)
        count += 1
        time.sleep(0.005)
    return {}


def deep(site: Site, _: str, vitals: Vitals, seconds: float) -> dict:
    """A thousand requests in one go, again and again; each answer says which it was."""
    count = 1000
    whole = b"".join(b"GET /echo?n=%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(count))
    end, lost, rounds = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end or not rounds:
        with RawConnection(vitals.gatehouse.port, 30) as link:
            link.socket.setblocking(False)
            heard, unsent = b"", whole
            until = time.monotonic() + 30
            while heard.count(b"HTTP/1.1 ") < count and time.monotonic() < until:
                readable, writable, _ = select.select([link.socket], [link.socket] if unsent else [], [], 1)
                with contextlib.suppress(BlockingIOError):
                    if writable:
                        unsent = unsent[link.socket.send(unsent):]
                    if readable:
                        part = link.socket.recv(1 << 20)
                        if not part:
                            break
                        heard += part
            link.socket.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                heard += link.socket.recv(1 << 20)
        said = [part.rsplit(b"\r\n\r\n", 1)[-1] for part in heard.split(b"HTTP/1.1 200")[1:]]
        lost += count - sum(1 for number, text in enumerate(said) if text == b"%d" % number)
        rounds += 1
    site.note(f"pipelined: {rounds} connections of {count} requests, {lost} lost")
    return {"deep lost": lost}
