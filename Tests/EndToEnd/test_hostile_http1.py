"""Hostile HTTP/1.1 from both sides, by the tables in `hostile/`; after each row others get their own answers (E1, E2, E4, H5)."""
import contextlib
import re
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from hostile import answers, bodies, chunks, fields, hops, hosts, lengths, sizes, targets, waits
from hostile.case import HALF_CLOSES, LEAVES, RESETS, WAITS, Case, Hostile, Saw
from support.gatehouse import Gatehouse, plugin, route, service
from support.origin import ANSWERED, BEGUN, Recorded, StrictOrigin
from support.processes import wait_until
from support.rawsocket import RawConnection
from support.wire import Broken, Ended, Message, Wire

REQUESTS = [case for table in (lengths, chunks, fields, targets, hosts, hops, sizes) for case in table.CASES]
ANSWERS = [case for table in (answers, bodies) for case in table.CASES]

# What the gateway makes for each request, and its form.
OF_EACH = {b"x-request-id": rb"[0-9a-f]{32}", b"traceparent": rb"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]"}


class Served:
    """One program with one worker, so that all cases share one pool, and one origin that writes everything down."""

    def __init__(self, folder, **limits: str):
        self.origin = StrictOrigin()
        key = [plugin("key-auth")]
        self.gatehouse = Gatehouse(folder, {"services": [
            service(self.origin.url, route("api", "/"), route("closed", "/closed", plugins=key),
                    route("kept", "/kept", preserve_host=True),
                    route("hosted", "/hosted", hosts=["only.test"], plugins=key)),
            service(self.origin.url, route("slow", "/slow"), name="slow", read_timeout=400),
        ]}, GATEHOUSE_WORKERS="1", GATEHOUSE_LIMIT_BODY_BYTES=str(sizes.BODY), **limits)
        self.expected = 0

    def __enter__(self):
        self.gatehouse.start()
        return self

    def __exit__(self, *_):
        self.gatehouse.stop()
        self.origin.stop()

    def connect(self) -> RawConnection:
        return RawConnection(self.gatehouse.port)

    def ask(self, connection: RawConnection, wire: Wire, marker: str):
        """A plain request that must be answered with its own marker."""
        connection.send(f"GET /probe HTTP/1.1\r\nHost: app.test\r\nX-Marker: {marker}\r\n\r\n".encode())
        answer = wire.answer()
        assert answer is not None, f"{marker}: closed without an answer"
        assert (answer.status, answer.first(b"x-marker"), answer.body) == (
            200, marker.encode(), b"GET /probe HTTP/1.1\n"), f"{marker}: {answer}"
        assert wire.buffer == b"", f"{marker}: more than one answer"

    def ask_anew(self, marker: str):
        """The same on a connection of its own."""
        with self.connect() as connection:
            self.ask(connection, Wire(connection.socket), marker)

    def forget_clients(self):
        """Waits until the program has seen that all its clients are gone."""
        wait_until(lambda: self.gatehouse.metric("gatehouse_connections") == 0, "no client is connected")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with Served(tmp_path_factory.mktemp("hostile")) as both:
        yield both


def send(connection: RawConnection, octets: bytes, pieces: int = 0):
    """Writes it all, or `pieces` octets at a time; a peer that has heard enough is no failure."""
    try:
        size = pieces or max(len(octets), 1)
        for start in range(0, len(octets), size):
            connection.send(octets[start:start + size])
    except (BrokenPipeError, ConnectionResetError):
        pass


def leave(connection: RawConnection, how: str):
    if how == RESETS:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if how == HALF_CLOSES:
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.closed()
    connection.close()


def is_ours(answer: Message) -> bool:
    """Whether an answer has the form of our refusals."""
    return re.fullmatch(rb'\{\s*"message":"[^"]+",\s*"request_id":"[0-9a-f]{32}"\s*\}', answer.body) is not None


def converse(case: Case, connection: RawConnection) -> list[Message]:
    """Sends a case's octets and reads its answers, each in full."""
    wire = connection.wire = Wire(connection.socket)
    send(connection, case.octets, case.pieces)
    got = []
    for index, wanted in enumerate(case.wanted):
        answer = wire.answer(case.method(index))
        assert answer is not None, f"answer {index} did not come"
        assert answer.status == wanted, answer
        assert answer.whole
        if case.method(index) != "HEAD" and answer.status not in (200,):
            assert is_ours(answer), answer
        got.append(answer)
    return got


def check_closed(connection: RawConnection):
    assert connection.wire.rest() == b"", "octets behind the last answer"


def pairs(lines: tuple[bytes, ...]) -> list[tuple[bytes, bytes]]:
    """Names and values of field lines."""
    return [tuple(part.strip(b" \t") for part in line.split(b":", 1)) for line in lines]


def check_seen(saw: Saw, record: Recorded, port: int, upstream_port: int):
    """The upstream got the request to the octet: what the client said, what may cross of it, and our own fields."""
    message = record.message
    path = saw.line.split(b" ")[1].partition(b"?")[0]
    ours = [
        (b"Host", b"127.0.0.1:%d" % upstream_port), (b"X-Forwarded-For", b"127.0.0.1"), (b"X-Forwarded-Proto", b"http"),
        (b"X-Forwarded-Port", b"%d" % port), (b"X-Forwarded-Path", path), (b"Via", b"1.1 gatehouse")]
    if saw.host:
        ours.append((b"X-Forwarded-Host", saw.host))
    if saw.chunked:
        ours.append((b"Transfer-Encoding", b"chunked"))
    elif message.whole and (saw.body or saw.line.startswith((b"POST ", b"PUT ", b"PATCH "))):
        ours.append((b"Content-Length", b"%d" % len(saw.body)))
    theirs = pairs(saw.fields)
    got = [field for field in message.fields if field[0].lower() not in OF_EACH]
    if not message.whole:
        got = [field for field in got if field[0] != b"Content-Length"]
    elif path == b"/kept" and saw.host:
        ours[0] = next(field for field in got if field[0] == b"Host")
        assert ours[0][1].lower().partition(b":")[0] == saw.host
    assert message.line == saw.line and message.trailers == (pairs(saw.trailers) if message.whole else [])
    assert sorted(got) == sorted(ours + theirs)
    assert [field for field in got if field in theirs] == theirs
    for name, form in OF_EACH.items():
        assert len(message.all(name)) == 1 and re.fullmatch(form, message.first(name)), name
    assert message.body == saw.body if message.whole else saw.body.startswith(message.body)


def check_origin(case: Case, served: Served, mark: int, more: list[bytes]):
    """What came since `mark` is what the row says, then our own questions, and nothing else."""
    if case.cut and case.then != WAITS:
        # What the client left may still be on its way to the origin's own thread, or never have been sent.
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: len(served.origin.since(mark)) > len(more), "a request that breaks off", 0.2)
    records = served.origin.since(mark)
    for record in records:
        served.origin.settle(record)
        assert record.fault is None, record
    whole = [record for record in records if record.message and record.message.whole]
    broken = [record for record in records if record not in whole]
    assert len(broken) <= (case.cut is not None), broken
    if broken:
        check_seen(case.cut, broken[0], served.gatehouse.port, served.origin.port)
    questions = [record for record in whole if record.message.line == b"GET /probe HTTP/1.1"]
    assert [record.marker for record in questions] == more
    rest = [record for record in whole if record not in questions]
    assert len(rest) == len(case.saw), [record.message.line for record in rest]
    for saw, record in zip(case.saw, rest):
        check_seen(saw, record, served.gatehouse.port, served.origin.port)
    return rest


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.name)
def test_a_hostile_request(served, case):
    """E1, E2, H1, H2, H5, P1–P4, P7, V17, X1–X16, X19, X20: answer, end, what the upstream saw, and who is next."""
    mark = len(served.origin.records)
    again, fresh = (f"{word}-{mark}" for word in ("again", "fresh"))
    with served.connect() as connection:
        got = converse(case, connection)
        if case.then != WAITS:
            leave(connection, case.then)
            served.forget_clients()
        elif case.stays:
            served.ask(connection, connection.wire, again)
        else:
            check_closed(connection)
    served.ask_anew(fresh)
    more = [again.encode()] * case.stays + [fresh.encode()]
    rest = check_origin(case, served, mark, more)
    passed = [answer for answer in got if answer.first(b"x-serial")]
    assert [int(answer.first(b"x-serial")) for answer in passed] == [record.serial for record in rest]
    assert [one.status for answer in got for one in answer.interim] == list(case.interim)


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: case.name)
def test_a_hostile_answer(served, case):
    """E1, E4, H5, X3–X11, X15–X18, X21, X22: what the client gets, and what the next one does not."""
    served.ask_anew("before")
    mark = len(served.origin.records)
    origin = served.origin
    target = f"{'/slow' if case.slow else ''}/hostile/{mark}".encode()
    origin.scripts[target] = list(case.script)
    origin.early |= {target} if case.early else set()
    for event in origin.reached.values():
        event.clear()
    with served.connect() as connection:
        wire = connection.wire = Wire(connection.socket)
        connection.send(b"%s %s HTTP/%s\r\nHost: app.test\r\n%s\r\n%s" % (
            case.method.encode(), target, case.version.encode(), case.fields, case.content))
        wire.fill()
        origin.reached[BEGUN].set()
        try:
            answer = wire.answer(case.method)
        except Ended:
            # It broke off within its head, as an answer without a body that was not flushed may.
            answer = None
        origin.reached[ANSWERED].set()
        check_answer(case, answer)
        asked = [one for one in origin.since(mark) if one.message and one.message.line.split(b" ")[1] == target]
        assert len(asked) == case.times
        if ANSWERED in case.script and not case.pooled:
            wait_until(asked[-1].ended.is_set, "the upstream's connection ends")
        if case.later:
            connection.send(case.later)
        if case.stays:
            served.ask(connection, wire, f"again-{mark}")
        elif case.whole:
            check_closed(connection)
    served.ask_anew(f"fresh-{mark}")
    after = [record for record in origin.since(mark) if record not in asked]
    assert [record.marker for record in after] == [f"again-{mark}".encode()] * case.stays + [f"fresh-{mark}".encode()]
    assert (after[0].connection == asked[-1].connection) == case.pooled


def check_answer(case: Hostile, answer: Message | None):
    assert answer is not None, "closed without an answer"
    assert answer.status == case.status, answer
    assert answer.whole == case.whole, answer
    assert [one.status for one in answer.interim] == list(case.interim)
    assert answer.trailers == pairs(case.trailers)
    if case.body is None:
        assert not case.whole or is_ours(answer), answer
    else:
        assert answer.body == case.body
    assert [field for field in answer.fields if field in case.has] == list(case.has), answer.fields
    assert not [name for name, _ in answer.fields if name.lower() in case.lacks], answer.fields
    if case.status != 502 and case.status != 504:
        assert answer.all(b"via") == [b"1.1 gatehouse"]


@pytest.fixture(scope="module")
def waited(tmp_path_factory):
    """All clients that keep us waiting, at the same time, and what came of each."""
    limits = {f"GATEHOUSE_LIMIT_{name}_SECONDS": "1" for name in ("HEAD", "BODY", "IDLE")}
    with Served(tmp_path_factory.mktemp("waits"), **limits) as both, ThreadPoolExecutor(len(waits.CASES)) as threads:
        def wait(case: Case) -> Exception | None:
            try:
                with both.connect() as connection:
                    converse(case, connection)
                    check_closed(connection)
            except (AssertionError, Broken, Ended, OSError) as error:
                return error
            return None

        outcomes = dict(zip([case.name for case in waits.CASES], threads.map(wait, waits.CASES)))
        both.ask_anew("fresh")
        yield both, outcomes


@pytest.mark.parametrize("case", waits.CASES, ids=lambda case: case.name)
def test_a_client_that_keeps_us_waiting(waited, case):
    """X21, E2: it is answered when its time is over, its connection is closed, and the upstream never sees an end."""
    both, outcomes = waited
    if error := outcomes[case.name]:
        raise error
    records = [record for record in both.origin.records if record.marker != b"fresh"]
    for record in records:
        both.origin.settle(record)
    whole = [record.message.line for record in records if record.message and record.message.whole]
    assert sorted(whole) == sorted(saw.line for case in waits.CASES for saw in case.saw)
    assert all(record.fault is None for record in records)


def test_nothing_else_came(served):
    """H5: of all that was sent in this module, no octet reached the upstream that no row accounts for."""
    lines = {record.message.line for record in served.origin.records if record.message and record.message.whole}
    known = {saw.line for case in REQUESTS for saw in case.saw} | {b"GET /probe HTTP/1.1"}
    assert {line for line in lines - known if b"/hostile/" not in line} == set()
    assert served.gatehouse.process.alive


ALL = REQUESTS + waits.CASES + ANSWERS
PROVEN = {f"X{number}" for number in range(1, 23)} | {"E1", "E2", "E4", "H1", "H2", "H5", "P1", "P2", "P3", "P4", "P7"}


def test_the_tables_are_large_and_every_row_has_a_name_of_its_own():
    """What is held is at least 250 cases, and each rule that they are to show is named by some."""
    for names in ([case.name for case in REQUESTS + waits.CASES], [case.name for case in ANSWERS]):
        assert len(names) == len(set(names)), {name for name in names if names.count(name) > 1}
    assert len(ALL) >= 250
    assert PROVEN - {row for case in ALL for row in re.findall(r"\b[A-Z]\d+\b", case.rows)} == set()
