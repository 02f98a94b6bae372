"""Other gateways that speak HTTP/2 with us: Envoy, HAProxy, and nginx for gRPC."""
import concurrent.futures
import hashlib
import json
import pathlib

import grpc
import httpx
import pytest

from support.gatehouse import Gatehouse, plugin, route, service
from support.gateways import Envoy, HAProxy, Nginx
from test_grpc import Echo

ENVOY = {
    "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}}}}}
MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


class EnvoyBefore(Envoy):
    """Takes both versions, and speaks HTTP/2 with us."""

    file = "envoy.json"

    def text(self) -> str:
        def address(port: int) -> dict:
            return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

        manager = {
            "@type": MANAGER, "stat_prefix": "front", "codec_type": "AUTO",
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                {"match": {"prefix": "/"}, "route": {"cluster": "gatehouse", "timeout": "20s"}}]}]},
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}]}
        return json.dumps({"static_resources": {
            "listeners": [{"address": address(self.port), "filter_chains": [{"filters": [
                {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]}],
            "clusters": [{"name": "gatehouse", "connect_timeout": "2s", **ENVOY, "load_assignment": {
                "cluster_name": "gatehouse", "endpoints": [{"lb_endpoints": [
                    {"endpoint": {"address": address(self.ports["gatehouse"])}}]}]}}]}})


class HAProxyBefore(HAProxy):
    def text(self) -> str:
        return f"""
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
frontend all
  bind 127.0.0.1:{self.port}
  default_backend gatehouse
backend gatehouse
  server gatehouse 127.0.0.1:{self.ports["gatehouse"]} proto h2
"""


class NginxBefore(Nginx):
    def text(self) -> str:
        server = f"""  server {{
    listen 127.0.0.1:{self.port} http2;
    location / {{ grpc_pass grpc://127.0.0.1:{self.ports["gatehouse"]}; }}
  }}
"""
        return self.around.format(folder=self.folder) + server + "}\n"


def listening(folder: pathlib.Path, configuration: dict) -> Gatehouse:
    """The program, with a listener that takes HTTP/2 from a proxy that it trusts."""
    program = Gatehouse(folder, configuration, GATEHOUSE_TRUSTED_IPS="127.0.0.1/32")
    program.environment["GATEHOUSE_PROXY_LISTEN"] += " http2"
    return program


@pytest.fixture(params=[EnvoyBefore, HAProxyBefore], ids=["envoy", "haproxy"])
def front(request, tmp_path, upstream):
    key = [plugin("key-auth", key_names=["apikey"])]
    with listening(tmp_path / "gatehouse", {
            "services": [service(upstream.url, route("api", "/"), route("closed", "/closed", plugins=key))],
            "consumers": [{"username": "ann", "keyauth_credentials": [{"key": "open-sesame"}]}]}) as program:
        assert request.param.missing() is None
        one = request.param(tmp_path / "front", program, upstream.port).start()
        yield one
        one.stop()


def test_requests_cross_and_are_judged(front, upstream):
    with httpx.Client(base_url=front.url) as client:
        seen = client.get("/a/b?c=d", headers={"X-Own": "mine"}).json()
        assert (seen["target"], seen["headers"]["x-own"]) == ("/a/b?c=d", "mine")
        assert seen["headers"]["via"].startswith("2") and seen["headers"]["x-forwarded-host"] == "127.0.0.1"
        assert client.get("/closed").status_code == 401
        assert client.get("/closed", headers={"apikey": "open-sesame"}).status_code == 200
        assert client.head("/closed").status_code == 401
        assert client.get("/?status=503").status_code == 503


def test_bodies_cross_whole(front):
    body = bytes(range(256)) * 8000
    with httpx.Client(base_url=front.url, timeout=20) as client:
        for content in (body, b"", iter([body[:5000], body[5000:]])):
            seen = client.post("/", content=content).json()["body"].encode("latin-1")
            expected = b"" if content == b"" else body
            assert hashlib.sha256(seen).digest() == hashlib.sha256(expected).digest()
        assert len(client.get("/?size=3000000").content) == 3_000_000


def test_many_clients_share_a_few_connections(front):
    def ask(number: int) -> bool:
        return httpx.get(f"{front.url}/{number}?wait=0.05", timeout=20).json()["target"] == f"/{number}?wait=0.05"

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        assert all(pool.map(ask, range(400)))


@pytest.mark.parametrize("kind", [NginxBefore, EnvoyBefore], ids=["nginx", "envoy"])
def test_calls_of_grpc_cross_two_gateways(kind, tmp_path, upstream):
    handler = Echo()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(16), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    key = [plugin("key-auth", key_names=["apikey"])]
    with listening(tmp_path / "gatehouse", {
            "services": [{"name": "echo", "protocol": "grpc", "host": "127.0.0.1", "port": port, "routes": [
                {"name": "open", "protocols": ["grpc"], "paths": ["/echo.Echo"]},
                {"name": "closed", "protocols": ["grpc"], "paths": ["/closed.Echo"], "plugins": key}]}]}) as program:
        front = kind(tmp_path / "front", program, upstream.port).start()
        try:
            with grpc.insecure_channel(f"127.0.0.1:{front.port}") as channel:
                message = b"m" * 200_000
                assert channel.unary_unary("/echo.Echo/Unary")(message, timeout=20) == message
                assert list(channel.unary_stream("/echo.Echo/Down")(b"40", timeout=20)) == [b"%d" % number for number in range(40)]
                with pytest.raises(grpc.RpcError) as refused:
                    channel.unary_unary("/closed.Echo/Unary")(b"", timeout=20)
                assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
                with pytest.raises(grpc.RpcError) as failed:
                    channel.unary_unary("/echo.Echo/Fail")(b"", timeout=20)
                assert failed.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        finally:
            front.stop()
            server.stop(0).wait()
