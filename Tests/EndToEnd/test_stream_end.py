"""Streams and tunnels end when the token that let them in does, and those of a good token go on."""
from concurrent import futures

import grpc
import httpx
import pytest
import websockets.exceptions

from support.gatehouse import Gatehouse, openid_connect, plugin, route, service
from support.http2 import CANCEL, RawHTTP2, request
from support.tokens import now
from test_grpc import Echo as GRPCEcho
from test_upgrade import Echo, connect


def bearer(issuer, seconds: float) -> dict[str, str]:
    return {"Authorization": f"Bearer {issuer.access_token(exp=now() + seconds)}"}


def configuration(issuer, address: str, **config) -> dict:
    """A service whose streams may not outlive their token by more than a moment."""
    return {"services": [service(address, route("api", "/", plugins=[
        openid_connect(issuer, auth_methods=["bearer"], stream_leeway=0, **config)]))]}


def test_an_answer_without_end_ends_with_its_token(start, upstream, issuer):
    gatehouse = start(configuration(issuer, upstream.url))
    with httpx.stream("GET", gatehouse.url + "/?drip=100", headers=bearer(issuer, 2), timeout=20) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.TransportError):
            answer.read()
    line = gatehouse.wait_for_line(lambda line: line.get("reason") == "identity-ended")
    assert line["status"] == 200 and line["broken_off"] and line["total_ms"] < 8000


def test_an_answer_that_ends_before_its_token_is_whole(start, upstream, issuer):
    gatehouse = start(configuration(issuer, upstream.url))
    answer = httpx.get(gatehouse.url + "/?drip=10", headers=bearer(issuer, 30), timeout=20)
    assert answer.content.count(b"\n") == 10


def test_a_stream_may_outlive_its_token_by_the_leeway(start, upstream, issuer):
    configured = configuration(issuer, upstream.url)
    configured["services"][0]["routes"][0]["plugins"][0]["config"]["stream_leeway"] = 60
    gatehouse = start(configured)
    answer = httpx.get(gatehouse.url + "/?drip=45", headers=bearer(issuer, 3), timeout=20)
    assert answer.content.count(b"\n") == 45


def test_a_stream_of_http2_is_reset_alone(tmp_path, upstream, issuer):
    program = Gatehouse(tmp_path / "g", configuration(issuer, upstream.url))
    program.environment["GATEHOUSE_PROXY_LISTEN"] += " http2"
    with program, RawHTTP2(program.port) as client:
        fields = [(name.lower(), value) for name, value in bearer(issuer, 2).items()]
        ended = client.finish(client.open(request("GET", "/?drip=100", *fields)))
        assert ended.status == 200 and ended.reset == CANCEL
        fields = [(name.lower(), value) for name, value in bearer(issuer, 30).items()]
        assert client.get("/", *fields).status == 200


def test_a_web_socket_is_told_that_it_may_not_go_on(start, issuer):
    echo = Echo()
    try:
        gatehouse = start(configuration(issuer, f"http://127.0.0.1:{echo.port}"))
        with connect(gatehouse, additional_headers=bearer(issuer, 2)) as client:
            client.send("before")
            assert client.recv(timeout=10) == "before"
            with pytest.raises(websockets.exceptions.ConnectionClosedError) as caught:
                client.recv(timeout=10)
        assert caught.value.rcvd.code == 1008
    finally:
        echo.server.shutdown()


def test_a_call_of_grpc_gets_its_status(tmp_path, issuer):
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[GRPCEcho()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        plugins = [openid_connect(issuer, auth_methods=["bearer"], stream_leeway=0)]
        program = Gatehouse(tmp_path / "g", {"services": [{
            "name": "echo", "protocol": "grpc", "host": "127.0.0.1", "port": port, "plugins": plugins,
            "routes": [{"name": "g", "protocols": ["grpc"], "paths": ["/echo.Echo"]}]}]})
        program.environment["GATEHOUSE_PROXY_LISTEN"] += " http2"
        with program, grpc.insecure_channel(f"127.0.0.1:{program.port}") as channel:
            token = bearer(issuer, 2)["Authorization"]
            idle = iter(lambda: futures.Future().result(timeout=30), None)
            answers = channel.stream_stream("/echo.Echo/Both")(
                first_then(b"hello", idle), metadata=[("authorization", token)], timeout=20)
            assert next(answers) == b"hello"
            with pytest.raises(grpc.RpcError) as caught:
                next(answers)
            assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
            assert caught.value.details() == "the token or session has ended"
    finally:
        server.stop(0).wait()


def first_then(message: bytes, rest):
    yield message
    try:
        yield from rest
    except futures.TimeoutError:
        return


def test_a_key_has_no_end(start, upstream):
    gatehouse = start({
        "services": [service(upstream.url, route("api", "/", plugins=[plugin("key-auth", key_names=["apikey"])]))],
        "consumers": [{"username": "ann", "keyauth_credentials": [{"key": "open-sesame"}]}]})
    answer = httpx.get(gatehouse.url + "/?drip=30", headers={"apikey": "open-sesame"}, timeout=20)
    assert answer.content.count(b"\n") == 30
