"""gRPC from a real client through the gateway to a real server, and what becomes of it when it may not pass."""
import queue
import socket
import threading
from concurrent import futures

import grpc
import httpx
import pytest

from support.gatehouse import Gatehouse, plugin, route
from support.processes import free_port


class Echo(grpc.GenericRpcHandler):
    """Four kinds of call, on octets as they are."""

    def __init__(self):
        self.seen: list[dict[str, str]] = []
        self.started, self.cancelled = threading.Event(), threading.Event()

    def service(self, details):
        self.seen.append({name: value for name, value in details.invocation_metadata})
        return {
            "/echo.Echo/Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "/echo.Echo/Down": grpc.unary_stream_rpc_method_handler(self.down),
            "/echo.Echo/Up": grpc.stream_unary_rpc_method_handler(self.up),
            "/echo.Echo/Both": grpc.stream_stream_rpc_method_handler(self.both),
            "/echo.Echo/Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "/echo.Echo/Slow": grpc.unary_unary_rpc_method_handler(self.slow),
        }.get(details.method)

    def unary(self, message, context):
        context.send_initial_metadata([("x-head", "here")])
        context.set_trailing_metadata([("x-trailer", "there"), ("x-octets-bin", b"\0\1\2")])
        return message

    def down(self, message, context):
        for number in range(int(message)):
            yield b"%d" % number

    def up(self, messages, context):
        return b"".join(messages)

    def both(self, messages, context):
        yield from messages

    def fail(self, message, context):
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today: 100 % é")

    def slow(self, message, context):
        context.add_callback(self.cancelled.set)
        self.started.set()
        self.cancelled.wait(10)
        return message


@pytest.fixture
def echo():
    handler = Echo()
    server = grpc.server(futures.ThreadPoolExecutor(16), handlers=[handler])
    handler.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield handler
    server.stop(0).wait()


def serving(folder, port: int) -> Gatehouse:
    """The program in front of a gRPC server."""
    key = [plugin("key-auth", key_names=["apikey"])]
    program = Gatehouse(folder, {
        "services": [{"name": "echo", "protocol": "grpc", "host": "127.0.0.1", "port": port, "read_timeout": 5000,
                      "routes": [
                          {"name": "open", "protocols": ["grpc"], "paths": ["/echo.Echo"]},
                          {"name": "closed", "protocols": ["grpc"], "paths": ["/closed.Echo"], "plugins": key},
                          {"name": "secure", "protocols": ["grpcs"], "paths": ["/secure.Echo"]},
                          route("plain", "/plain")]}],
        "consumers": [{"username": "ann", "keyauth_credentials": [{"key": "open-sesame"}]}]})
    program.environment["GATEHOUSE_PROXY_LISTEN"] += " http2"
    return program


@pytest.fixture
def gatehouse(tmp_path, echo):
    with serving(tmp_path / "gatehouse", echo.port) as program:
        yield program


@pytest.fixture
def channel(gatehouse):
    with grpc.insecure_channel(f"127.0.0.1:{gatehouse.port}") as channel:
        yield channel


def test_a_unary_call_crosses_with_its_metadata(channel, echo):
    answer, call = channel.unary_unary("/echo.Echo/Unary").with_call(b"hello", metadata=[("x-own", "mine")], timeout=10)
    assert answer == b"hello" and call.code() == grpc.StatusCode.OK
    assert dict(call.initial_metadata())["x-head"] == "here"
    trailing = dict(call.trailing_metadata())
    assert trailing["x-trailer"] == "there" and trailing["x-octets-bin"] == b"\0\1\2"
    assert echo.seen[-1]["x-own"] == "mine" and echo.seen[-1]["via"] == "2 gatehouse"


def test_large_messages_cross(channel):
    message = bytes(range(256)) * 12_000
    assert channel.unary_unary("/echo.Echo/Unary")(message, timeout=20) == message


def test_an_empty_message_crosses(channel):
    assert channel.unary_unary("/echo.Echo/Unary")(b"", timeout=10) == b""


def test_streams_cross_down_and_up(channel):
    assert list(channel.unary_stream("/echo.Echo/Down")(b"300", timeout=10)) == [b"%d" % n for n in range(300)]
    assert channel.stream_unary("/echo.Echo/Up")(iter([b"a", b"b"] * 200), timeout=10) == b"ab" * 200


def test_both_sides_talk_in_turn(channel):
    questions: queue.Queue = queue.Queue()
    answers = channel.stream_stream("/echo.Echo/Both")(iter(questions.get, None), timeout=10)
    for number in range(20):
        questions.put(b"%d" % number)
        assert next(answers) == b"%d" % number
    questions.put(None)
    assert list(answers) == []


def test_many_calls_at_once_share_connections(channel):
    call = channel.unary_unary("/echo.Echo/Unary")
    pending = [call.future(b"%d" % number, timeout=20) for number in range(300)]
    assert [one.result() for one in pending] == [b"%d" % number for number in range(300)]


def failure(call, *arguments, **more) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, timeout=10, **more)
    return caught.value


def test_the_servers_own_failure_crosses(channel):
    error = failure(channel.unary_unary("/echo.Echo/Fail"), b"")
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION and error.details() == "not today: 100 % é"


def test_a_call_without_credential_is_unauthenticated(channel, gatehouse, echo):
    call = channel.unary_unary("/closed.Echo/Unary")
    error = failure(call, b"")
    assert error.code() == grpc.StatusCode.UNAUTHENTICATED and error.details() == "No API key found in request"
    assert not echo.seen
    assert gatehouse.refusals("no-credential") == 1
    assert failure(call, b"", metadata=[("apikey", "wrong")]).code() == grpc.StatusCode.UNAUTHENTICATED
    # The key lets it through to the server, which has no such method.
    error = failure(call, b"", metadata=[("apikey", "open-sesame")])
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED and echo.seen[-1]["x-consumer-username"] == "ann"


def test_no_route_is_not_found(channel):
    error = failure(channel.unary_unary("/other.Service/Method"), b"")
    assert error.code() == grpc.StatusCode.NOT_FOUND and error.details() == "no Route matched with those values"


def test_a_route_for_tls_alone_says_so(channel):
    error = failure(channel.unary_unary("/secure.Echo/Unary"), b"")
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED and error.details() == "gRPC request matched gRPCs route"


def test_what_is_no_grpc_is_told_so_as_kong_does(gatehouse):
    answer = httpx.post(gatehouse.url + "/echo.Echo/Unary")
    assert answer.status_code == 426 and answer.headers["upgrade"] == "HTTP/2"
    assert answer.json()["message"] == "Please use HTTP2 protocol"


def test_a_server_that_is_down_is_unavailable(tmp_path):
    with serving(tmp_path / "g", free_port()) as program, grpc.insecure_channel(f"127.0.0.1:{program.port}") as channel:
        assert failure(channel.unary_unary("/echo.Echo/Unary"), b"").code() == grpc.StatusCode.UNAVAILABLE


def test_a_server_that_hangs_is_given_up(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        program = serving(tmp_path / "g", silent.getsockname()[1])
        text = program.file.read_text().replace("read_timeout: 5000", "read_timeout: 300")
        program.write(text)
        with program, grpc.insecure_channel(f"127.0.0.1:{program.port}") as channel:
            error = failure(channel.unary_unary("/echo.Echo/Unary"), b"")
            assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
            assert error.details() == "The upstream server is timing out"


def test_a_call_that_its_client_gives_up_is_given_up_at_the_server(channel, echo):
    pending = channel.unary_unary("/echo.Echo/Slow").future(b"", timeout=30)
    assert echo.started.wait(10)
    pending.cancel()
    assert echo.cancelled.wait(10)


def test_a_server_that_restarts_is_found_again(tmp_path):
    port = free_port()
    with serving(tmp_path / "g", port) as program, grpc.insecure_channel(f"127.0.0.1:{program.port}") as channel:
        for _ in range(3):
            server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[Echo()])
            server.add_insecure_port(f"127.0.0.1:{port}")
            server.start()
            assert channel.unary_unary("/echo.Echo/Unary")(b"hi", timeout=10) == b"hi"
            server.stop(0).wait()


def test_http1_clients_reach_a_server_of_http2(gatehouse, echo):
    answer = httpx.post(gatehouse.url + "/plain", headers={"content-type": "application/grpc"}, content=b"\0\0\0\0\0")
    assert answer.headers["content-type"].startswith("application/grpc") and answer.headers["grpc-status"] == "12"
