"""Cross-origin answers, marks and changes of requests and answers: what browser and upstream really get."""
import re

import httpx
import pytest

from support import ledger
from support.gatehouse import openid_connect, plugin, route, run, service
from support.rawsocket import RawConnection
from support.upstream import Upstream

APP = "https://app.example.test"
EVIL = "https://evil.test"


def one(upstream, *plugins: dict, **more) -> dict:
    """One route with these plugins."""
    return {"services": [service(upstream.url, route("api", "/api", plugins=list(plugins), **more))]}


def preflight(gatehouse, origin: str, path: str = "/api", **fields) -> httpx.Response:
    return httpx.options(gatehouse.url + path, headers={
        "Origin": origin, "Access-Control-Request-Method": "PUT", **fields})


def cors(**config) -> dict:
    return plugin("cors", **{"origins": [APP, "https://other.test"], "credentials": True, **config})


# Cross-origin


def test_a_preflight_is_answered_and_forwarded_to_nobody(start, upstream, issuer):
    gatehouse = start(one(upstream, cors(max_age=60), openid_connect(issuer)))
    answer = preflight(gatehouse, APP, **{"Access-Control-Request-Headers": "authorization"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-headers"] == "authorization"
    assert "PUT" in answer.headers["access-control-allow-methods"].split(",")
    assert answer.headers["access-control-max-age"] == "60"
    assert answer.headers["vary"] == "Origin"
    assert not [name for name in preflight(gatehouse, EVIL).headers if name.startswith("access-control")]
    assert upstream.seen == []


def test_options_opens_no_protected_path(start, upstream):
    """P6: only what is a preflight is answered without a credential, and that by us."""
    gatehouse = start(one(upstream, cors(), plugin("key-auth")))
    for fields in ({}, {"Origin": APP}, {"Access-Control-Request-Method": "PUT"}):
        assert httpx.options(gatehouse.url + "/api", headers=fields).status_code == 401, fields
    for method in ("GET", "POST", "options"):
        answer = httpx.request(method, gatehouse.url + "/api", headers={
            "Origin": APP, "Access-Control-Request-Method": "PUT"})
        # httpx sends a method as it is written.
        assert answer.status_code == (200 if answer.request.method == "OPTIONS" else 401), method
    assert upstream.seen == []


@pytest.mark.parametrize("trouble, status", [
    ("no-credential", 401), ("not-allowed", 403), ("too-many", 429), ("no-upstream", 502), ("slow", 504)])
def test_a_page_can_read_why_it_was_refused(start, upstream, trouble, status):
    with Upstream() as gone:
        lost = gone.url
    key = ledger.keep("cors-key-1234567890", "API key")
    known = [cors(), plugin("key-auth")]
    gatehouse = start({
        "services": [
            service(upstream.url,
                    route("no-credential", "/no-credential", plugins=known),
                    route("not-allowed", "/not-allowed", plugins=[*known, plugin("acl", allow=["nobody"])]),
                    route("too-many", "/too-many", plugins=[cors(), plugin("rate-limiting", hour=1)]),
                    name="up"),
            service(lost, route("no-upstream", "/no-upstream", plugins=[cors()]), name="lost", retries=0),
            service(upstream.url, route("slow", "/slow", plugins=[cors()]), name="slow", read_timeout=200)],
        "consumers": [{"username": "ann", "keyauth_credentials": [{"key": key}]}],
    })
    fields = {"Origin": APP, **({"apikey": key} if trouble == "not-allowed" else {})}
    if trouble == "too-many":
        httpx.get(gatehouse.url + "/too-many")
    answer = httpx.get(f"{gatehouse.url}/{trouble}?wait=1", headers=fields)
    assert answer.status_code == status
    assert answer.headers.get_list("access-control-allow-origin") == [APP]
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.json()["message"]


def test_credentials_are_never_granted_to_whoever_asks(start, upstream):
    gatehouse = start(one(upstream, cors(origins=["*"])))
    for answer in (preflight(gatehouse, EVIL), httpx.get(gatehouse.url + "/api", headers={"Origin": EVIL})):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
    assert "list the origins" in run("check", str(gatehouse.file)).stdout


def test_an_expression_matches_from_end_to_end(start, upstream):
    gatehouse = start(one(upstream, cors(origins=[r"https://[a-z]+\.example\.test"])))
    for origin, allowed in [
            ("https://app.example.test", True), ("https://app.example.test.evil.test", False),
            ("https://evil.test/https://app.example.test", False), ("null", False)]:
        answer = httpx.get(gatehouse.url + "/api", headers={"Origin": origin})
        assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)


# Marks


def test_a_mark_reaches_upstream_and_client(start, upstream):
    gatehouse = start(one(upstream, plugin("correlation-id", echo_downstream=True)))
    answers = [httpx.get(gatehouse.url + "/api") for _ in range(4)]
    marks = [answer.headers["kong-request-id"] for answer in answers]
    assert marks == [seen.first("kong-request-id") for seen in upstream.seen]
    assert len(set(marks)) == 4 and all(re.fullmatch(r"[0-9a-f-]{36}#[1-4]", mark) for mark in marks)
    answer = httpx.get(gatehouse.url + "/api", headers={"Kong-Request-ID": "mine-1"})
    assert answer.headers["kong-request-id"] == upstream.last.first("kong-request-id") == "mine-1"
    httpx.get(gatehouse.url + "/api", headers={"Kong-Request-ID": "x" * 300})
    assert len(upstream.last.first("kong-request-id")) < 50 and len(upstream.last.all("kong-request-id")) == 1


def test_as_request_id_it_is_the_one_in_the_log(start, upstream):
    """P1: a stranger does not choose it."""
    gatehouse = start(one(upstream, plugin(
        "correlation-id", header_name="X-Request-Id", generator="uuid", echo_downstream=True)))
    mark = httpx.get(gatehouse.url + "/api", headers={"X-Request-Id": "evil"}).headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f-]{36}", mark)
    assert upstream.last.all("x-request-id") == [mark]
    gatehouse.wait_for_line(lambda line: line.get("request_id") == mark)


PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_trace_is_passed_on(start, upstream):
    gatehouse = start(one(upstream))
    answer = httpx.get(gatehouse.url + "/api", headers={"traceparent": PARENT, "tracestate": "a=1,b=2"})
    assert upstream.last.all("traceparent") == [PARENT]
    assert upstream.last.all("tracestate") == ["a=1,b=2"]
    assert "traceparent" not in answer.headers


@pytest.mark.parametrize("fields", [
    "", "traceparent: nonsense\r\n", f"traceparent: {PARENT}\r\ntraceparent: {PARENT}\r\n",
    f"traceparent: {PARENT}\r\nConnection: traceparent\r\n", f"traceparent: {PARENT.replace('00-', 'ff-', 1)}\r\n"])
def test_a_trace_is_begun(start, upstream, fields):
    gatehouse = start(one(upstream))
    with RawConnection(gatehouse.port) as connection:
        for _ in range(2):
            connection.send(f"GET /api HTTP/1.1\r\nHost: a\r\n{fields}tracestate: a=1\r\n\r\n".encode())
            reply = connection.read()
            assert reply.status == 200 and reply.first("traceparent") is None
    begun = [seen.all("traceparent") for seen in upstream.seen]
    assert all(len(values) == 1 for values in begun) and begun[0] != begun[1]
    for values in begun:
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", values[0]) and PARENT not in values
    assert not upstream.last.all("tracestate")


# Changes


def test_the_upstream_gets_what_the_rules_say(start, upstream):
    gatehouse = start(one(upstream, plugin(
        "request-transformer",
        remove={"headers": ["X-Gone"], "querystring": ["gone"]},
        rename={"headers": ["X-Old:X-New"], "querystring": ["old:new"]},
        replace={"headers": ["X-There:ours", "Host:in.example.test"], "querystring": ["there:ours"], "uri": "/v2/all"},
        add={"headers": ["X-Fresh:yes"], "querystring": ["fresh:yes"]},
        append={"headers": ["X-There:too"], "querystring": ["there:too"]},
        http_method="POST")))
    answer = httpx.get(gatehouse.url + "/api/things?gone=1&old=a%2Fb&there=x", headers={
        "X-Gone": "1", "X_Gone": "1", "X-Old": "a", "X-There": "theirs"})
    assert answer.status_code == 200
    seen = upstream.last
    assert (seen.method, seen.target) == ("POST", "/v2/all?new=a%2Fb&there=ours&fresh=yes&there=too")
    assert seen.all("host") == ["in.example.test"]
    assert seen.all("x-gone") == seen.all("x_gone") == seen.all("x-old") == []
    assert seen.all("x-new") == ["a"] and seen.all("x-fresh") == ["yes"]
    assert seen.all("x-there") == ["ours", "too"]
    assert seen.all("content-length") == ["0"]


def test_a_replaced_method_keeps_the_connection_in_step(start, upstream):
    """HEAD stays HEAD; bodies go where they went; the next request on the connection is answered rightly."""
    gatehouse = start(one(upstream, plugin("request-transformer", http_method="PUT")))
    with RawConnection(gatehouse.port) as connection:
        for request, method, reached in [
                (b"HEAD /api HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD", "HEAD"),
                (b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "PUT"),
                (b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "POST", "PUT"),
                (b"DELETE /api HTTP/1.1\r\nHost: a\r\n\r\n", "DELETE", "PUT")]:
            connection.send(request)
            assert connection.read(method).status == 200
            assert upstream.last.method == reached
    assert [seen.body for seen in upstream.seen] == [b"", b"", b"abc", b""]


def test_a_template_fills_in_what_a_request_says_and_nothing_more(start, upstream):
    """A value that a client chose makes no line of a head, and leads to no other path."""
    gatehouse = start(one(upstream, plugin(
        "request-transformer", replace={"uri": "/v2/$(uri_captures.user)/$(query_params.kind)"},
        add={"headers": ["X-Who:$(headers.x-tenant)/$(uri_captures['user'])", "X-Query:$(query_params.kind)"],
             "querystring": ["tenant:$(headers.x-tenant)"]}), paths=["~/api/(?<user>[^/]+)"]))
    asked = gatehouse.url + "/api/ann/x?kind="
    assert httpx.get(asked + "a", headers={"X-Tenant": "t&u=1"}).status_code == 200
    assert upstream.last.target == "/v2/ann/a?kind=a&tenant=t%26u%3D1"
    assert upstream.last.all("x-who") == ["t&u=1/ann"] and upstream.last.all("x-query") == ["a"]
    before = len(upstream.seen)
    for kind in ("a%0d%0aX-Evil:%201", "..", "a%2f..%2f..%2fadmin", ""):
        answer = httpx.get(asked + kind)
        assert answer.status_code == 403 and len(upstream.seen) == before, kind
    assert gatehouse.refusals("unsafe-field-value") == 4


def test_no_client_speaks_through_a_rule(start, upstream):
    """H1, H2: what a client may not say about itself is not there for rules."""
    key = ledger.keep("transform-key-1234567890", "API key")
    gatehouse = start({
        "services": [service(upstream.url, route("api", "/api", plugins=[
            plugin("key-auth", anonymous="guest"),
            plugin("request-transformer", rename={"headers": ["X-Consumer-Username:X-User", "apikey:X-Copy"]},
                   add={"headers": ["X-Tenant:ours"]})]))],
        "consumers": [{"username": "guest"}, {"username": "ann", "keyauth_credentials": [{"key": key}]}],
    })
    with RawConnection(gatehouse.port) as connection:
        connection.send(
            b"GET /api HTTP/1.1\r\nHost: a\r\nX-Consumer-Username: root\r\nX_Consumer_Username: root\r\n"
            b"X-Tenant: theirs\r\nConnection: x-tenant\r\n\r\n")
        assert connection.read().status == 200
    assert "root" not in str(upstream.last.fields) and upstream.last.all("x-tenant") == ["ours"]
    assert upstream.last.all("x-user") == ["guest"]
    with httpx.Client() as connection:
        for fields, name in [({"apikey": key}, "ann"), ({}, "guest"), ({"apikey": key}, "ann")]:
            connection.get(gatehouse.url + "/api", headers=fields)
            assert upstream.last.all("x-user") == [name] and upstream.last.all("x-consumer-username") == []
            assert upstream.last.all("x-copy") == []


def test_the_client_gets_what_the_rules_say(start, upstream):
    gatehouse = start(one(
        upstream, cors(), plugin("rate-limiting", hour=9),
        plugin("response-transformer",
               remove={"headers": ["Server", "X-RateLimit-Limit-Hour"]}, rename={"headers": ["Content-Type:X-Type"]},
               replace={"headers": ["Date:never", "X-None:never"]}, add={"headers": ["Content-Type:text/plain"]},
               append={"headers": ["X-More:1", "X-More:2"]})))
    with RawConnection(gatehouse.port) as connection:
        for _ in range(2):
            connection.send(f"GET /api HTTP/1.1\r\nHost: a\r\nOrigin: {APP}\r\n\r\n".encode())
            reply = connection.read()
            assert reply.status == 200 and reply.body
            assert reply.all("server") == reply.all("x-ratelimit-limit-hour") == reply.all("x-none") == []
            assert reply.all("x-type") == ["application/json"] and reply.all("content-type") == ["text/plain"]
            assert reply.all("date") == ["never"] and reply.all("x-more") == ["1", "2"]
            assert reply.all("access-control-allow-origin") == [APP]
            assert len(reply.all("content-length")) == 1


@pytest.mark.parametrize("name, config", [
    ("request-transformer", {"add": {"headers": ["Transfer-Encoding:chunked"]}}),
    ("request-transformer", {"add": {"headers": ["X-A:b\r\nX-B: c"]}}),
    ("request-transformer", {"add": {"headers": ["X-A:$(os.getenv('HOME'))"]}}),
    ("response-transformer", {"add": {"headers": ["X-A:$(headers.b)"]}}),
    ("request-transformer", {"replace": {"uri": "/a b\r\n"}}),
    ("request-transformer", {"add": {"body": ["a:b"]}}),
    ("response-transformer", {"add": {"headers": ["Content-Length:5"]}}),
    ("response-transformer", {"add": {"json": ["a:b"]}}),
    ("correlation-id", {"generator": "tracker"}),
    ("cors", {"origins": ["app.example.test"]}),
    ("ip-restriction", {}),
])
def test_settings_that_could_break_something_stop_the_start(start, upstream, name, config):
    with pytest.raises(RuntimeError, match="gatehouse ended"):
        start(one(upstream, plugin(name, **config)))


def test_an_explanation_names_each_plugin(start, upstream):
    gatehouse = start(one(
        upstream, plugin("rate-limiting", hour=1), cors(), plugin("ip-restriction", allow=["192.0.2.0/24"]),
        plugin("correlation-id"), plugin("request-transformer", add={"headers": ["X-A:b"]})))
    for _ in range(2):
        answer = run("explain", "--config", str(gatehouse.file), "--request", "GET http://x/api")
        assert answer.returncode == 0, answer.stdout
        order = ["correlation-id", "cors", "ip-restriction", "rate-limiting", "request-transformer"]
        assert [word for word in re.findall(r'"plugin":\s*"([\w-]+)"', answer.stdout)] == order
