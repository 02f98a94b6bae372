"""The tables of hostile HTTP/1.1 once more, said in HTTP/2 (E1, E3): nothing that is refused there is let in here."""
import collections
import contextlib

import pytest

from hostile import answers, bodies, chunks, fields, hops, hosts, lengths, sizes, targets, waits
from hostile.case import WAITS, Case, Hostile, Saw
from hostile.downgrade import OTHERWISE, TRAILERS, Stream, Unsayable, expected, said
from support.http2 import CANCEL, Exchange, RawHTTP2
from support.origin import ANSWERED, BEGUN, Recorded
from support.processes import wait_until
from test_hostile_http1 import Served, pairs

REQUESTS = [case for table in (lengths, chunks, fields, targets, hosts, hops, sizes) for case in table.CASES]
ANSWERS = [case for table in (answers, bodies) for case in table.CASES]
# Octets that a frame holds at most.
FRAME = 16_384
REFUSALS = {400, 405, 408, 413, 414, 417, 421, 431, 501}


def sayable(cases: list[Case]) -> tuple[dict[str, list[Stream]], dict[str, str]]:
    """The streams of the rows that can be said, and why the others cannot."""
    can, cannot = {}, {}
    for case in cases:
        try:
            can[case.name] = said(case)
        except Unsayable as error:
            cannot[case.name] = str(error)
    return can, cannot


SAID, UNSAID = sayable(REQUESTS)
WAITING, _ = sayable(waits.CASES)
PLAYED = [case for case in REQUESTS if case.name in SAID]


class Both(Served):
    """As `test_hostile_http1` serves, and HTTP/2 on the same port."""

    def __init__(self, folder, **limits: str):
        super().__init__(folder, **limits)
        self.gatehouse.environment["GATEHOUSE_PROXY_LISTEN"] += " http2"

    def speak(self) -> RawHTTP2:
        return RawHTTP2(self.gatehouse.port)

    def ask_on(self, client: RawHTTP2, marker: str):
        """A plain request that must be answered with its own marker."""
        answer = client.get("/probe", ("x-marker", marker))
        assert (answer.status, answer.first("x-marker"), answer.body) == (200, marker, b"GET /probe HTTP/1.1\n"), marker

    def ask_freshly(self, marker: str):
        with self.speak() as client:
            self.ask_on(client, marker)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with Both(tmp_path_factory.mktemp("downgrade")) as both:
        yield both


def texts(fields: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]


def open_stream(client: RawHTTP2, stream: Stream) -> int:
    """Says a request, all that there is of it and at once; a peer that has heard enough is no failure."""
    number = client.next
    with contextlib.suppress(BrokenPipeError, ConnectionResetError), client.together():
        client.open(texts(stream.fields), end=not stream.data, frame_bytes=FRAME)
        for index, data in enumerate(stream.data):
            is_last = stream.ends and not stream.trailers and index == len(stream.data) - 1
            pieces = [data[start:start + FRAME] for start in range(0, len(data), FRAME)] or [b""]
            for place, piece in enumerate(pieces):
                client.data(number, piece, end=is_last and place == len(pieces) - 1)
        if stream.trailers:
            client.head(number, texts(stream.trailers), end=True, frame_bytes=FRAME)
    return number


def check_seen(saw: Saw, record: Recorded, served: Both):
    """The upstream got the request to the octet, as from HTTP/1.1; names are small, and crumbs of cookies one field."""
    message = record.message
    path = saw.line.split(b" ")[1].partition(b"?")[0]
    ours = [
        (b"host", b"127.0.0.1:%d" % served.origin.port), (b"x-forwarded-for", b"127.0.0.1"), (b"x-forwarded-proto", b"http"),
        (b"x-forwarded-port", b"%d" % served.gatehouse.port), (b"x-forwarded-path", path), (b"via", b"2 gatehouse"),
        (b"x-forwarded-host", saw.host)]
    got = [(name.lower(), value) for name, value in message.fields if name.lower() not in (b"x-request-id", b"traceparent")]
    if not message.whole:
        got = [one for one in got if one[0] not in (b"content-length", b"transfer-encoding")]
    elif saw.chunked:
        ours.append((b"transfer-encoding", b"chunked"))
    elif saw.body or saw.line.startswith((b"POST ", b"PUT ", b"PATCH ")):
        ours.append((b"content-length", b"%d" % len(saw.body)))
    if path == b"/kept":
        ours[0] = next(one for one in got if one[0] == b"host")
        assert ours[0][1].lower().partition(b":")[0] == saw.host
    theirs = [(name.lower(), value) for name, value in pairs(saw.fields)]
    cookies = [value for name, value in theirs if name == b"cookie"]
    theirs = [one for one in theirs if one[0] != b"cookie"]
    assert message.line == saw.line
    assert message.trailers == ([(name.lower(), value) for name, value in pairs(saw.trailers)] if message.whole else [])
    assert sorted(got) == sorted(ours + theirs + ([(b"cookie", b"; ".join(cookies))] if cookies else []))
    assert [one for one in got if one in theirs] == theirs
    assert message.body == saw.body if message.whole else saw.body.startswith(message.body)


def is_refused(answer: Exchange, wanted: int) -> bool:
    """Whether a stream came to nothing: by a status of ours, or because it or its connection ended."""
    return answer.status in ({wanted} if wanted not in REFUSALS else REFUSALS | {None})


@pytest.mark.parametrize("case", PLAYED, ids=lambda case: case.name)
def test_a_hostile_request_in_http2(served, case):
    """E1, E3, H1, H2, H5, P1–P4, P7, V17, X1–X16, X20: answer, what the upstream saw, and who is next."""
    mark = len(served.origin.records)
    found = SAID[case.name]
    wanted = expected(case, found)
    with served.speak() as client:
        for stream, (status, _) in zip(found, wanted):
            number = open_stream(client, stream)
            if case.then != WAITS and not stream.ends:
                client.reset(number, CANCEL)
                continue
            answer = client.finish(number)
            assert answer.status == 200 if status == 200 else is_refused(answer, status), (answer.status, answer.body)
        if client.goaway is None:
            served.ask_on(client, f"again-{mark}")
    served.ask_freshly(f"fresh-{mark}")
    check_origin(served, mark, case, [saw for (status, saw) in wanted if saw])


def check_origin(served: Both, mark: int, case: Case, saws: list[Saw]):
    """What came since `mark` is what the row says, then our own questions, and nothing else."""
    records = served.origin.since(mark)
    for record in records:
        served.origin.settle(record)
        assert record.fault is None, record
    whole = [record for record in records if record.message and record.message.whole]
    broken = [record for record in records if record not in whole]
    assert len(broken) <= 1 and (not broken or case.cut is not None or SAID[case.name][0].trailers), broken
    for record in broken:
        check_seen(case.cut or case.saw[0], record, served)
    rest = [record for record in whole if record.message.line != b"GET /probe HTTP/1.1"]
    if case.cut is None or case.then == WAITS:
        assert len(rest) == len(saws), [record.message.line for record in rest]
    for saw, record in zip(saws, rest):
        check_seen(saw, record, served)


def test_clients_that_keep_us_waiting(tmp_path):
    """X21: every body that does not come is answered when its time is over, and the upstream never sees its end."""
    cases = [case for case in waits.CASES if case.name in WAITING and not WAITING[case.name][-1].ends]
    assert len(cases) >= 5
    with Both(tmp_path / "g", GATEHOUSE_LIMIT_BODY_SECONDS="1") as both, both.speak() as client:
        numbers = [open_stream(client, stream) for case in cases for stream in WAITING[case.name]]
        for number in numbers:
            answer = client.finish(number)
            assert answer.status == 408 or answer.reset is not None, number
        both.ask_on(client, "again")
        for record in both.origin.records:
            both.origin.settle(record)
        assert [one.marker for one in both.origin.records if one.message and one.message.whole] == [b"again"]


@pytest.mark.parametrize("case", [case for case in ANSWERS if case.version == "1.1"], ids=lambda case: case.name)
def test_a_hostile_answer_to_http2(served, case):
    """E1, E4, H5, X3–X11, X15–X18, X21, X22: what the client gets, and what the next one does not."""
    origin, mark = served.origin, len(served.origin.records)
    target = f"{'/slow' if case.slow else ''}/hostile/{mark}".encode()
    head = b"%s %s HTTP/1.1\r\nHost: app.test\r\n%s\r\n" % (case.method.encode(), target, case.fields)
    try:
        stream, = said(Case(case.name, case.rows, head + case.content, ()))
    except Unsayable as error:
        pytest.skip(str(error))
    if stream.is_odd:
        pytest.skip("asks for an upgrade, which HTTP/2 cannot")
    origin.scripts[target] = list(case.script)
    origin.early |= {target} if case.early else set()
    for event in origin.reached.values():
        event.clear()
    with served.speak() as client:
        number = open_stream(client, stream)
        answer = client.streams[number]
        client.until(lambda: answer.status is not None or answer.over)
        origin.reached[BEGUN].set()
        client.finish(number)
        origin.reached[ANSWERED].set()
        check_answer(case, answer)
        asked = [one for one in origin.since(mark) if one.message and one.message.line.split(b" ")[1] == target]
        assert len(asked) == case.times
        if ANSWERED in case.script and not case.pooled:
            wait_until(asked[-1].ended.is_set, "the upstream's connection ends")
        served.ask_on(client, f"again-{mark}")
    served.ask_freshly(f"fresh-{mark}")
    after = [record for record in origin.since(mark) if record not in asked]
    assert [record.marker for record in after] == [f"again-{mark}".encode(), f"fresh-{mark}".encode()]
    assert (after[0].connection == asked[-1].connection) == case.pooled


def check_answer(case: Hostile, answer: Exchange):
    assert answer.status == case.status or (answer.status is None and not case.whole), answer.fields
    assert (answer.ended and answer.reset in (None, 0)) == case.whole, (answer.ended, answer.reset)
    if answer.status is None:
        return
    got = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.fields]
    trailers = TRAILERS.get(case.name, case.trailers)
    assert [(name.encode(), value.encode()) for name, value in answer.trailers] == [
        (name.lower(), value) for name, value in pairs(trailers)]
    if case.body is not None:
        assert answer.body == case.body if case.whole else case.body.startswith(answer.body)
    wanted = [(name.lower(), value) for name, value in case.has]
    assert [one for one in got if one in wanted] == wanted, got
    assert case.name in TRAILERS or not [name for name, _ in got if name in case.lacks], got


def test_nothing_else_came(served):
    """H5: of all that was sent in this module, no octet reached the upstream that no row accounts for."""
    lines = {record.message.line for record in served.origin.records if record.message and record.message.whole}
    known = {saw.line for case in PLAYED for _, saw in expected(case, SAID[case.name]) if saw} | {b"GET /probe HTTP/1.1"}
    assert {line for line in lines - known if b"/hostile/" not in line} == set()
    assert served.gatehouse.process.alive


def test_what_is_not_played_has_a_reason():
    """Every row is said, or there is a reason of a few why HTTP/2 cannot say it; what means something else is known."""
    assert set(SAID) | set(UNSAID) == {case.name for case in REQUESTS}
    reasons = collections.Counter(UNSAID.values())
    assert len(reasons) <= 10 and len(SAID) >= 616, reasons
    assert set(OTHERWISE) <= set(SAID)
