"""HTTP/2 from clients: real ones, and frames of our own (E3)."""
import hashlib
import json
import subprocess
import threading

import pytest

from support.gatehouse import Gatehouse, plugin, route, service
from support.http2 import (CANCEL, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, NO_ERROR, PADDED, PROTOCOL_ERROR,
                           REFUSED_STREAM, Exchange, RawHTTP2, request)


@pytest.fixture
def gatehouse(tmp_path, upstream):
    key = [plugin("key-auth", key_names=["apikey"])]
    with listening(tmp_path / "gatehouse", {
            "services": [service(upstream.url, route("api", "/"), route("closed", "/closed", plugins=key))],
            "consumers": [{"username": "ann", "keyauth_credentials": [{"key": "open-sesame"}]}]}) as program:
        yield program


def listening(folder, configuration, **environment) -> Gatehouse:
    """The program, with a listener that takes HTTP/2."""
    program = Gatehouse(folder, configuration, **environment)
    program.environment["GATEHOUSE_PROXY_LISTEN"] += " http2"
    return program


def curl(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["curl", "-sS", "--max-time", "20", *arguments], capture_output=True, check=False, timeout=30)


def seen(exchange: Exchange) -> dict:
    return json.loads(exchange.body)


# Real clients


def test_curl_is_served_over_http2(gatehouse):
    answer = curl("--http2-prior-knowledge", "-w", "%{http_version} %{http_code}", "-o", "/dev/null", gatehouse.url)
    assert answer.stdout == b"2 200"


def test_http1_is_served_on_the_same_listener(gatehouse):
    answer = curl("--http1.1", "-w", "%{http_version} %{http_code}", "-o", "/dev/null", gatehouse.url)
    assert answer.stdout == b"1.1 200"


def test_a_listener_without_the_word_refuses_the_preface(start, upstream):
    plain = start({"services": [service(upstream.url, route("api", "/"))]})
    with RawHTTP2(plain.port) as client:
        part = client.socket.recv(4096)
    assert part.startswith(b"HTTP/1.1 505 ")


def test_large_bodies_cross_whole_both_ways(gatehouse, upstream, tmp_path):
    body = tmp_path / "body"
    body.write_bytes(bytes(range(256)) * 20_000)
    for more in ([], ["-H", "content-length:"]):
        answer = curl("--http2-prior-knowledge", "-X", "POST", "-T", str(body), *more,
                      gatehouse.url + "/?size=3000000")
        assert answer.returncode == 0 and len(answer.stdout) == 3_000_000
        assert hashlib.sha256(upstream.last.body).digest() == hashlib.sha256(body.read_bytes()).digest()


def test_h2load_gets_every_answer(gatehouse):
    answer = subprocess.run(
        ["h2load", "-n", "5000", "-c", "10", "-m", "50", gatehouse.url + "/"], capture_output=True, text=True,
        timeout=100, check=False)
    assert "5000 succeeded, 0 failed, 0 errored, 0 timeout" in answer.stdout, answer.stdout + answer.stderr


def test_nghttp_gets_many_at_once(gatehouse):
    answer = subprocess.run(
        ["nghttp", "-n", "--stat", *[f"{gatehouse.url}/{number}" for number in range(20)]], capture_output=True,
        text=True, timeout=60, check=False)
    assert answer.returncode == 0 and answer.stdout.count(" 200 ") == 20, answer.stdout + answer.stderr


# What crosses


def test_the_upstream_sees_an_ordinary_request(gatehouse, upstream):
    with RawHTTP2(gatehouse.port) as client:
        answer = client.get("/a?b=c", ("cookie", "one=1"), ("cookie", "two=2"), ("x-custom", "kept"),
                            ("te", "trailers"))
    assert answer.status == 200
    saw = upstream.last
    assert saw.target == "/a?b=c" and saw.all("cookie") == ["one=1; two=2"] and saw.first("x-custom") == "kept"
    assert saw.first("via") == "2 gatehouse" and saw.first("x-forwarded-host") == "app.test"
    assert saw.first("te") == "trailers" and saw.first("transfer-encoding") is None


def test_fields_of_a_connection_do_not_cross_back(gatehouse):
    with RawHTTP2(gatehouse.port) as client:
        answer = client.get("/")
    names = [name for name, _ in answer.fields]
    assert names[0] == ":status" and all(name == name.lower() for name in names)
    assert not {"connection", "keep-alive", "transfer-encoding", "upgrade"} & set(names)


def test_a_key_opens_and_its_absence_is_refused(gatehouse):
    with RawHTTP2(gatehouse.port) as client:
        assert client.get("/closed").status == 401
        assert client.get("/closed", ("apikey", "open-sesame")).status == 200


def test_head_has_no_body(gatehouse):
    with RawHTTP2(gatehouse.port) as client:
        answer = client.finish(client.open(request("HEAD", "/?size=10")))
    assert (answer.status, answer.body, answer.ended) == (200, b"", True)
    assert answer.first("content-length") == "10"


def test_each_of_many_streams_gets_its_own_answer(gatehouse):
    with RawHTTP2(gatehouse.port) as client:
        streams = {number: client.open(request("GET", f"/{number}")) for number in range(100)}
        for number, stream in streams.items():
            assert seen(client.finish(stream))["target"] == f"/{number}"


def test_a_body_in_pieces_with_padding_crosses(gatehouse, upstream):
    with RawHTTP2(gatehouse.port) as client:
        stream = client.open(request("POST", "/"), end=False)
        client.frame(DATA, PADDED, stream, bytes([5]) + b"hello " + bytes(5))
        client.data(stream, b"world")
        client.frame(HEADERS, END_HEADERS | END_STREAM, stream, client.block([("x-trailer", "ends-there")]))
        assert client.finish(stream).status == 200
    assert upstream.last.body == b"hello world" and upstream.last.first("x-trailer") is None


def test_an_empty_body_that_ends_late_is_empty(gatehouse, upstream):
    with RawHTTP2(gatehouse.port) as client:
        stream = client.open(request("POST", "/"), end=False)
        client.data(stream, b"", end=True)
        assert client.finish(stream).status == 200
    assert upstream.last.body == b""


# Flow control


def test_a_client_that_does_not_read_one_stream_reads_the_others(gatehouse):
    with RawHTTP2(gatehouse.port, settings={4: 1000}) as client:
        client.auto = False
        slow = client.open(request("GET", "/?size=100000"))
        client.until(lambda: len(client.streams[slow].body) == 1000)
        assert client.get("/?size=10").status == 200
        client.window(0, 1_000_000)
        client.window(slow, 1_000_000)
        assert len(client.finish(slow).body) == 100_000


def test_more_than_the_windows_can_be_sent_up_because_they_are_given_back(gatehouse, upstream):
    with RawHTTP2(gatehouse.port) as client:
        stream = client.open(request("POST", "/"), end=False)
        reader = threading.Thread(target=client.finish, args=(stream,))
        body = b"x" * 16_000
        sent = 0
        for _ in range(8):
            client.data(stream, body)
            sent += len(body)
        client.ping()
        client.data(stream, b"y" * 1000, end=True)
        reader.start()
        reader.join(10)
        assert client.streams[stream].status == 200
    assert len(upstream.last.body) == sent + 1000


# The end


def test_a_reset_stream_is_logged_and_the_others_go_on(gatehouse):
    with RawHTTP2(gatehouse.port) as client:
        stream = client.open(request("GET", "/gone?wait=5"))
        client.ping()
        client.reset(stream, CANCEL)
        assert client.get("/").status == 200
    line = gatehouse.wait_for_line(lambda line: line.get("path") == "/gone")
    assert line["status"] == 499


def test_an_answer_that_breaks_off_resets_the_stream_alone(gatehouse):
    with RawHTTP2(gatehouse.port) as client:
        broken = client.finish(client.open(request("GET", "/?cut=1&size=100000")))
        assert broken.reset is not None and not broken.ended
        assert client.get("/").status == 200


def test_an_answer_before_the_whole_request_ends_the_stream_without_an_error(gatehouse):
    with RawHTTP2(gatehouse.port) as client:
        stream = client.open(request("POST", "/closed"), end=False)
        client.data(stream, b"begun")
        answer = client.finish(stream)
        client.until(lambda: answer.reset is not None)
        assert (answer.status, answer.ended, answer.reset) == (401, True, NO_ERROR)
        assert client.get("/").status == 200


def test_draining_says_goaway_and_serves_what_has_begun(gatehouse):
    with RawHTTP2(gatehouse.port) as client:
        stream = client.open(request("GET", "/?wait=1"))
        client.ping()
        gatehouse.process.signal(15)
        assert client.until(lambda: client.goaway is not None)
        assert client.goaway.code == NO_ERROR
        assert client.finish(stream).status == 200
        assert client.closed()
    assert gatehouse.process.wait() == 0


def test_a_connection_without_requests_is_let_go(tmp_path, upstream):
    with listening(tmp_path / "g", {"services": [service(upstream.url, route("api", "/"))]},
                   GATEHOUSE_LIMIT_IDLE_SECONDS="1", GATEHOUSE_LIMIT_HEAD_SECONDS="1") as program:
        with RawHTTP2(program.port) as silent:
            assert silent.closed()
        with RawHTTP2(program.port) as client:
            assert client.get("/").status == 200
            assert client.closed()


def test_a_head_without_a_body_is_not_forwarded_before_its_stream_ends(tmp_path, upstream):
    with listening(tmp_path / "g", {"services": [service(upstream.url, route("api", "/"))]},
                   GATEHOUSE_LIMIT_HEAD_SECONDS="1") as program:
        with RawHTTP2(program.port) as client:
            late = client.open(request("POST", "/late", ("content-length", "0")), end=False)
            client.ping()
            assert not any(one.target == "/late" for one in upstream.seen)
            client.data(late, b"", end=True)
            assert client.finish(late).status == 200
            never = client.open(request("POST", "/never", ("content-length", "0")), end=False)
            assert client.finish(never).status == 408
        assert not any(one.target == "/never" for one in upstream.seen)


def test_a_client_that_was_asked_to_leave_and_stays_is_made_to(tmp_path, upstream):
    with listening(tmp_path / "g", {"services": [service(upstream.url, route("api", "/"))]},
                   GATEHOUSE_LIMIT_REQUESTS_PER_CONNECTION="3") as program:
        with RawHTTP2(program.port) as client:
            for _ in range(3 + 128):
                assert client.get("/").status == 200
            assert client.goaway.code == NO_ERROR
            assert client.get("/").status is None
            assert client.goaway.code == ENHANCE_YOUR_CALM


@pytest.mark.parametrize("code, ends", [
    (PROTOCOL_ERROR, lambda client: client.frame(DATA, 0, 0, b"x")),
    (NO_ERROR, lambda client: client.until(lambda: client.goaway is not None)),
], ids=["fault", "idle"])
def test_a_client_that_goes_on_sending_reads_why_the_connection_ended(tmp_path, upstream, code, ends):
    """RFC 9113 §5.4.1, §6.8: what it sends meanwhile is read and dropped, so that no reset takes GOAWAY away."""
    with listening(tmp_path / "g", {"services": [service(upstream.url, route("api", "/"))]},
                   GATEHOUSE_LIMIT_IDLE_SECONDS="1", GATEHOUSE_LIMIT_HEAD_SECONDS="1") as program:
        with RawHTTP2(program.port) as client:
            assert client.get("/").status == 200
            ends(client)
            for _ in range(10):
                late = client.open(request("POST", "/late"), end=False)
                client.data(late, b"x" * 16_000)
            # Up to its end, which a reset would not be.
            while part := client.socket.recv(65536):
                client.buffer += part
            while client.read() is not None:
                pass
            assert client.goaway.code == code
            assert int.from_bytes(client.goaway.payload[:4], "big") == 1
        assert not any(one.target == "/late" for one in upstream.seen)


# Floods (E3)


def resident(gatehouse: Gatehouse) -> int:
    """Octets of memory that the program holds."""
    with open(f"/proc/{gatehouse.process.popen.pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096


def code(client: RawHTTP2) -> int:
    """Why the connection ended."""
    return client.goaway.code


def calm(gatehouse: Gatehouse, flood) -> RawHTTP2:
    """Lets `flood` run on a connection, which must end it, while another goes on."""
    with RawHTTP2(gatehouse.port) as neighbour, RawHTTP2(gatehouse.port) as client:
        assert neighbour.get("/").status == 200
        try:
            flood(client)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert client.closed()
        assert neighbour.get("/").status == 200
        return client


def test_rapid_reset_ends_the_connection(gatehouse, upstream):
    def flood(client):
        for _ in range(2000):
            client.reset(client.open(request("GET", "/flood")))

    before = resident(gatehouse)
    client = calm(gatehouse, flood)
    assert code(client) == ENHANCE_YOUR_CALM
    assert len([one for one in upstream.seen if one.target == "/flood"]) <= 220
    assert resident(gatehouse) < before + 50_000_000


def test_streams_made_to_be_reset_by_us_end_the_connection(gatehouse):
    def flood(client):
        for _ in range(2000):
            stream = client.open(request("POST", "/flood"), end=False)
            client.window(stream, 0x7FFFFFFF)

    assert code(calm(gatehouse, flood)) == ENHANCE_YOUR_CALM


def test_continuation_frames_without_end_end_the_connection(gatehouse):
    def flood(client):
        client.frame(HEADERS, 0, 1, client.block(request()))
        for _ in range(2000):
            client.frame(9, 0, 1, client.block([("x-more", "x" * 100)]))

    client = calm(gatehouse, flood)
    assert code(client) == ENHANCE_YOUR_CALM


@pytest.mark.parametrize("kind, stream, payload", [(4, 0, b""), (6, 0, b"12345678"), (2, 1, b"\0\0\0\0\x10")],
                         ids=["settings", "ping", "priority"])
def test_control_frames_in_masses_end_the_connection(gatehouse, kind, stream, payload):
    client = calm(gatehouse, lambda client: [client.frame(kind, 0, stream, payload) for _ in range(3000)])
    assert code(client) == ENHANCE_YOUR_CALM


def test_empty_data_frames_end_the_connection(gatehouse):
    def flood(client):
        stream = client.open(request("POST", "/"), end=False)
        for _ in range(1000):
            client.data(stream, b"")

    assert code(calm(gatehouse, flood)) == ENHANCE_YOUR_CALM


def test_a_head_that_unpacks_beyond_the_limit_ends_the_connection(gatehouse, upstream):
    def flood(client):
        # One entry in the table, named a thousand times: an HPACK bomb.
        entry = b"\x40" + client.text("x-bomb") + client.text("b" * 3000)
        client.frame(HEADERS, END_HEADERS | END_STREAM, 1, client.block(request()) + entry + b"\xbe" * 1000)

    calm(gatehouse, flood)
    assert not any(one.first("x-bomb") for one in upstream.seen)


def test_windows_that_never_open_hold_no_memory(gatehouse):
    with RawHTTP2(gatehouse.port, settings={4: 0}) as client:
        before = resident(gatehouse)
        for _ in range(100):
            client.open(request("GET", "/?size=2000000"))
        client.ping()
        with RawHTTP2(gatehouse.port) as neighbour:
            assert neighbour.get("/").status == 200
        assert resident(gatehouse) < before + 100 * 600_000


def test_more_streams_than_allowed_are_refused_and_the_others_served(gatehouse, upstream):
    before = len(upstream.seen)
    with RawHTTP2(gatehouse.port) as client:
        streams = [client.open(request("GET", "/many?wait=1")) for _ in range(140)]
        answers = [client.finish(stream) for stream in streams]
        assert [one.reset for one in answers if one.status is None] == [REFUSED_STREAM] * 12
        assert [one.status for one in answers if one.status is not None] == [200] * 128
        assert client.get("/").status == 200
    assert len([one for one in upstream.seen[before:] if one.target.startswith("/many")]) == 128
