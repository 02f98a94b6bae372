"""Which route a request takes, and what of it reaches the upstream."""
import json
import socket

import httpx
import pytest

from support.gatehouse import plugin, route, service
from support.upstream import Upstream


def answered_by(gatehouse, target: str, host: str | None = None, method: str = "GET", **fields) -> str | None:
    """The name of the service that a request reaches: each service's upstream sits under a path of that name."""
    answer = httpx.request(method, gatehouse.url + target, headers={**({"Host": host} if host else {}), **fields})
    if answer.status_code == 404:
        assert answer.json()["message"] == "no Route matched with those values"
        return None
    return answer.json()["target"].split("/")[1]


@pytest.fixture
def table(start, upstream):
    """Routes that overlap, each to a service of its own name."""
    def to(name: str, **fields) -> dict:
        return {"name": name, "url": f"{upstream.url}/{name}", "routes": [{"name": name, "strip_path": False, **fields}]}

    return start({"services": [
        to("anything", paths=["/"]),
        to("short", paths=["/api"]),
        to("long", paths=["/api/users"]),
        to("pattern", paths=["~/api/users/\\d+$"]),
        to("host", hosts=["app.example.test"], paths=["/api"]),
        to("wildcard", hosts=["*.example.test"], paths=["/api"]),
        to("port", hosts=["app.example.test:8443", "*.example.test:81"], paths=["/api"]),
        to("posting", methods=["POST"], paths=["/api"]),
        to("marked", headers={"x-version": ["2"]}, paths=["/api"]),
    ]})


@pytest.mark.parametrize("target, options, expected", [
    ("/", {}, "anything"),
    ("/elsewhere", {}, "anything"),
    ("/api", {}, "short"),
    ("/api/orders", {}, "short"),
    ("/api/users", {}, "long"),
    ("/api/users/ann", {}, "long"),
    ("/api/users/42", {}, "pattern"),
    ("/api/users/42/x", {}, "long"),
    ("/api/users", {"host": "app.example.test"}, "host"),
    ("/api", {"host": "APP.example.test."}, "host"),
    ("/api", {"host": "other.example.test"}, "wildcard"),
    ("/api", {"host": "example.test"}, "short"),
    ("/api", {"host": "APP.example.test.:8443"}, "port"),
    ("/api", {"host": "other.example.test:81"}, "port"),
    ("/api", {"host": "other.example.test:82"}, "wildcard"),
    # An exact host goes before a wildcard with a port.
    ("/api", {"host": "app.example.test:81"}, "host"),
    ("/api", {"method": "POST"}, "posting"),
    ("/api", {"X-Version": "2"}, "marked"),
    ("/api", {"X-Version": "3"}, "short"),
])
def test_the_most_particular_route_wins(table, target, options, expected):
    """P4: a host is compared without case and without one trailing dot."""
    assert answered_by(table, target, **options) == expected


def test_without_a_route_the_answer_is_404(start, upstream):
    gatehouse = start({"services": [service(upstream.url, route("only", "/only"))]})
    assert answered_by(gatehouse, "/nothing") is None
    answer = httpx.get(gatehouse.url + "/nothing")
    assert answer.headers["content-type"].startswith("application/json")
    assert set(answer.json()) == {"message", "request_id"}
    assert upstream.seen == []


def test_a_path_is_stripped_or_kept(start, upstream):
    gatehouse = start({"services": [
        {"name": "based", "url": upstream.url + "/base", "routes": [
            {"name": "stripped", "paths": ["/stripped"]},
            {"name": "kept", "paths": ["/kept"], "strip_path": False}]}]})
    for target, expected in [
            ("/stripped/a%20b?q=1&r=%2F", "/base/a%20b?q=1&r=%2F"), ("/stripped", "/base"), ("/kept/x", "/base/kept/x")]:
        assert httpx.get(gatehouse.url + target).json()["target"] == expected


@pytest.mark.parametrize("base", ["", "/", "/service", "/service/"])
def test_a_stripped_prefix_makes_no_way_out_of_the_services_path(start, upstream, base):
    """P3: what is a segment's beginning for the route is no segment of dots for the upstream."""
    gatehouse = start({"services": [service(upstream.url + base, route("api", "/api", strip_path=True))]})
    for asked, sent in [("/api../x", "/x"), ("/api./x", "/x"), ("/api%2e%2e/x", "/x"), ("/api..", ""), ("/api.../x", "/.../x")]:
        assert raw(gatehouse, asked) == ((base.rstrip("/") + sent) or "/"), asked


def raw(gatehouse, target: str) -> str:
    """What the upstream was asked for; the target goes out as it is written."""
    with socket.create_connection(("127.0.0.1", gatehouse.port), timeout=10) as client:
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    return json.loads(answer.partition(b"\r\n\r\n")[2])["target"]


def test_the_older_way_joins_paths_as_they_are(start, upstream):
    gatehouse = start({"services": [service(
        upstream.url + "/service", route("api", "/api", path_handling="v1", strip_path=True),
        route("kept", "/kept", path_handling="v1", strip_path=False))]})
    assert [raw(gatehouse, target) for target in ("/api/x", "/apix", "/kept/x", "/api")] == [
        "/service/x", "/servicex", "/servicekept/x", "/service"]


def test_the_host_is_the_upstreams_unless_preserved(start, upstream):
    gatehouse = start({"services": [service(
        upstream.url, route("own", "/own"), route("preserved", "/preserved", preserve_host=True))]})
    assert httpx.get(gatehouse.url + "/own").json()["headers"]["host"] == f"127.0.0.1:{upstream.port}"
    sent = httpx.get(gatehouse.url + "/preserved", headers={"Host": "app.example.test"}).json()
    assert sent["headers"]["host"] == "app.example.test"


def test_the_upstream_learns_how_it_was_asked(start, upstream):
    gatehouse = start({"services": [service(upstream.url, {"name": "api", "paths": ["/api"]})]})
    sent = httpx.get(gatehouse.url + "/api/things?x=1").json()["headers"]
    assert sent["x-forwarded-for"] == "127.0.0.1"
    assert sent["x-forwarded-proto"] == "http"
    assert sent["x-forwarded-host"] == "127.0.0.1"
    assert sent["x-forwarded-port"] == str(gatehouse.port)
    assert sent["x-forwarded-path"] == "/api/things"
    assert sent["x-forwarded-prefix"] == "/api"
    assert sent["x-request-id"]
    assert "via" in sent


def test_strangers_forwarding_fields_are_dropped(start, upstream):
    """P1: with nobody trusted they change neither what is decided nor what the upstream sees."""
    gatehouse = start({"services": [service(upstream.url, route("api", "/"))]})
    lies = {
        "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "https",
        "X-Forwarded-Port": "1", "X-Forwarded-Prefix": "/evil", "X-Forwarded-Uri": "/evil",
        "X-Forwarded-Method": "DELETE", "Forwarded": "for=203.0.113.9;host=evil.test", "X-Original-URL": "/evil",
        "X-Original-URI": "/evil", "X-Original-Method": "DELETE", "X-Rewrite-URL": "/evil", "X-Real-IP": "203.0.113.9",
        "X-Request-Id": "evil-request-id",
    }
    request = httpx.get(gatehouse.url + "/thing", headers=lies).json()
    text = str(request)
    assert request["target"] == "/thing" and request["method"] == "GET"
    assert "evil" not in text and "203.0.113.9" not in text


def test_a_trusted_peers_forwarding_fields_are_believed(start, upstream):
    """The client is the right-most entry that is not trusted."""
    gatehouse = start(
        {"services": [service(upstream.url, route("api", "/"))]}, GATEHOUSE_TRUSTED_IPS="127.0.0.1/32,198.51.100.0/24")
    sent = httpx.get(gatehouse.url, headers={
        "X-Forwarded-For": "192.0.2.1, 203.0.113.9, 198.51.100.7", "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "app.example.test", "X-Request-Id": "0123456789abcdef"}).json()["headers"]
    assert sent["x-forwarded-proto"] == "https"
    assert sent["x-forwarded-host"] == "app.example.test"
    assert sent["x-request-id"] == "0123456789abcdef"
    line = gatehouse.wait_for_line(lambda line: "0123456789abcdef" in str(line))
    assert "203.0.113.9" in str(line)


def test_a_route_may_have_no_service(start):
    gatehouse = start({"routes": [route("closed", "/closed", plugins=[
        plugin("request-termination", status_code=418, message="no coffee")])]})
    answer = httpx.get(gatehouse.url + "/closed")
    assert (answer.status_code, answer.json()["message"]) == (418, "no coffee")


def test_plugins_stand_at_every_level(start, upstream):
    """The nearest one of a name wins: consumer before route before service before all."""
    def stop(status: int) -> dict:
        return plugin("request-termination", status_code=status)

    gatehouse = start({
        "plugins": [stop(501)],
        "services": [
            service(upstream.url, route("a", "/a"), route("b", "/b", plugins=[stop(503)]), plugins=[stop(502)]),
            service(upstream.url, route("c", "/c"), name="other"),
            service(upstream.url, route("d", "/d", plugins=[plugin("key-auth")]), name="known")],
        "consumers": [{
            "username": "ann", "keyauth_credentials": [{"key": "anns-own-key"}], "plugins": [stop(504)]}],
    })
    statuses = [httpx.get(gatehouse.url + path).status_code for path in ("/a", "/b", "/c")]
    assert statuses == [502, 503, 501]
    assert httpx.get(gatehouse.url + "/d", headers={"apikey": "anns-own-key"}).status_code == 504


def test_two_services_keep_their_upstreams_apart(start):
    with Upstream() as first, Upstream() as second:
        gatehouse = start({"services": [
            service(first.url, route("first", "/first"), name="first"),
            service(second.url, route("second", "/second"), name="second")]})
        for _ in range(3):
            httpx.get(gatehouse.url + "/first")
            httpx.get(gatehouse.url + "/second")
        assert {seen.target for seen in first.seen} == {"/first"}
        assert {seen.target for seen in second.seen} == {"/second"}
