"""Services that DNS places (SRV): who gets what, what moves, and servers that lie, fail or say nothing."""
import collections
import socket
import struct

import httpx
import pytest

from support.certificates import Authority
from support.gatehouse import route, run
from support.nameserver import NO_SUCH_NAME, SERVER_FAILURE, SRV, NameServer, record, service
from support.processes import wait_until
from support.zone import Zone

NAME = "_http._tcp.zone.test"
# Each worker asks when its own answer has grown old: what one has heard, another may hear a second later.
ONE_WORKER = {"GATEHOUSE_WORKERS": "1"}


@pytest.fixture
def names():
    with NameServer() as server:
        server.address_of("one.test", "127.0.0.1")
        yield server


@pytest.fixture
def zones(tmp_path):
    """Three zones: a, b and c."""
    made = [Zone(name, tmp_path).start() for name in "abc"]
    yield made
    for zone in made:
        zone.stop()


def with_upstream(target: str = NAME, **upstream) -> dict:
    """An upstream of one target, which is a service."""
    return {
        "upstreams": [{"name": "zones", "targets": [{"target": target}], **upstream}],
        "services": [{"name": "api", "host": "zones", "routes": [route("api", "/")]}]}


@pytest.fixture
def serve(start, names):
    def begin(configuration: dict, **environment):
        return start(configuration, GATEHOUSE_DNS_RESOLVER=names.address, **{
            "GATEHOUSE_DNS_VALID_TTL": "1", **environment})
    return begin


def answered(gatehouse, count: int) -> collections.Counter:
    """Which zones answer so many requests, over one connection."""
    with httpx.Client(base_url=gatehouse.url, timeout=10) as client:
        answers = [client.get("/") for _ in range(count)]
    assert {answer.status_code for answer in answers} == {200}, answers
    return collections.Counter(answer.headers["x-zone"] for answer in answers)


def settles(gatehouse, wanted: set[str]):
    """Waits until just these zones answer."""
    wait_until(lambda: set(answered(gatehouse, 12)) == wanted, f"zones {wanted} answer")


# Who gets what


def test_requests_are_shared_by_the_weights_of_the_records_at_their_ports(serve, names, zones):
    a, b, c = zones
    names.say(NAME, (7, 30, a.port, "one.test"), (7, 10, b.port, "one.test"), (7, 0, c.port, "one.test"))
    gatehouse = serve(with_upstream())
    wait_until(
        lambda: {"a", "b"} <= set(answered(gatehouse, 12)), "the places are known")
    counts = answered(gatehouse, 410)
    # Weight 0 is the least share, and not none.
    assert counts == {"a": 300, "b": 100, "c": 10}, counts


def test_the_first_request_waits_for_the_first_answer(serve, names, zones):
    a, *_ = zones
    names.say(NAME, (0, 0, a.port, "one.test"))
    gatehouse = serve({"services": [{"name": "api", "host": NAME, "routes": [route("api", "/")]}]})
    assert httpx.get(gatehouse.url).status_code == 200
    assert a.count == 1


def test_higher_priorities_wait_until_no_lower_one_is_healthy(serve, names, zones):
    a, b, c = zones
    names.say(NAME, (10, 5, a.port, "one.test"), (20, 99, b.port, "one.test"), (30, 99, c.port, "one.test"))
    gatehouse = serve(with_upstream(
        healthchecks={"passive": {"unhealthy": {"tcp_failures": 1}}}, gatehouse={"trial_seconds": 0.3}))
    assert set(answered(gatehouse, 20)) == {"a"}
    a.kill()
    settles(gatehouse, {"b"})
    b.kill()
    settles(gatehouse, {"c"})
    a.start()
    settles(gatehouse, {"a"})


def test_without_any_check_a_request_goes_on_to_the_next_priority(serve, names, zones):
    a, b, _ = zones
    names.say(NAME, (1, 1, a.port, "one.test"), (2, 1, b.port, "one.test"))
    a.kill()
    gatehouse = serve({"services": [{"name": "api", "host": NAME, "routes": [route("api", "/")]}]})
    wait_until(lambda: httpx.get(gatehouse.url).status_code == 200, "the places are known")
    assert answered(gatehouse, 20) == {"b": 20}


def test_what_moves_takes_its_traffic_along_and_who_stays_keeps_its_health(serve, names, zones):
    a, b, c = zones
    names.say(NAME, (0, 1, a.port, "one.test"), (0, 1, b.port, "one.test"))
    gatehouse = serve(with_upstream(
        healthchecks={"passive": {"unhealthy": {"tcp_failures": 1}}}, gatehouse={"trial_seconds": 0}), **ONE_WORKER)
    settles(gatehouse, {"a", "b"})
    a.kill()
    settles(gatehouse, {"b"})
    a.start()
    names.say(NAME, (0, 1, a.port, "one.test"), (0, 1, c.port, "one.test"))
    settles(gatehouse, {"c"})
    targets = {line.split('target="')[1].split('"')[0] for line in gatehouse.metrics().splitlines()
               if line.startswith("gatehouse_upstream_target_health")}
    assert targets == {f"one.test:{a.port}", f"one.test:{c.port}"}
    line = gatehouse.wait_for_line(lambda line: line.get("message") == "name resolved" and str(c.port) in line["addresses"])
    assert line["name"] == NAME


def test_the_time_to_live_says_when_to_ask_again(serve, names, zones):
    a, b, _ = zones
    names.say(NAME, (0, 1, a.port, "one.test"), ttl=1)
    gatehouse = serve(with_upstream(), GATEHOUSE_DNS_VALID_TTL="3600")
    settles(gatehouse, {"a"})
    names.say(NAME, (0, 1, b.port, "one.test"), ttl=3600)
    settles(gatehouse, {"b"})


def test_the_last_places_serve_while_nobody_answers(serve, names, zones):
    a, b, _ = zones
    names.say(NAME, (0, 1, a.port, "one.test"))
    gatehouse = serve(with_upstream(), RES_OPTIONS="timeout:1 attempts:1", **ONE_WORKER)
    settles(gatehouse, {"a"})
    names.lies[NAME] = lambda question, _: question.answer(code=SERVER_FAILURE)
    gatehouse.wait_for_line(lambda line: line.get("message") == "name does not resolve" and line["name"] == NAME)
    assert answered(gatehouse, 20) == {"a": 20}
    del names.lies[NAME]
    names.say(NAME, (0, 1, b.port, "one.test"))
    settles(gatehouse, {"b"})
    names.silent = True
    before = names.times(NAME)
    wait_until(lambda: names.times(NAME) > before, "it is asked again")
    assert answered(gatehouse, 20) == {"b": 20}


@pytest.mark.parametrize("use, host", [(False, NAME), (True, "one.test:{port}")])
def test_host_is_the_services_name_or_with_use_srv_name_the_records(serve, names, upstream, use, host):
    names.say(NAME, (0, 1, upstream.port, "one.test"))
    gatehouse = serve(with_upstream(use_srv_name=use))
    wait_until(lambda: httpx.get(gatehouse.url).status_code == 200, "the place is known")
    httpx.get(gatehouse.url)
    assert upstream.last.all("host") == [host.format(port=upstream.port)]


def test_active_checks_ask_each_place(serve, names, zones):
    a, b, _ = zones
    names.say(NAME, (0, 1, a.port, "one.test"), (0, 1, b.port, "one.test"))
    gatehouse = serve(with_upstream(healthchecks={"active": {
        "http_path": "/health", "healthy": {"interval": 0.1, "successes": 1},
        "unhealthy": {"interval": 0.1, "http_failures": 1, "tcp_failures": 1}}}))
    settles(gatehouse, {"a", "b"})
    a.be("status", 503)
    wait_until(
        lambda: gatehouse.metric("gatehouse_upstream_target_health", target=f"one.test:{a.port}", state="unhealthy") == 2,
        "zone a is left out")
    assert set(answered(gatehouse, 12)) == {"b"}
    a.be("status", 200)
    settles(gatehouse, {"a", "b"})


# Whose certificate


def test_a_place_proves_the_services_domain_and_not_the_name_in_the_record(serve, names, tmp_path):
    """RFC 9525 §6.1: whoever answers for the record could name himself there."""
    from test_health_checks import SecureOrigin
    authority, identity = Authority(), "5f1d1b8c-31a2-4b86-8c7d-0c0f8f0b5a31"
    secure = "_https._tcp.zone.test"
    origin = SecureOrigin(tmp_path, authority.sign("zone.test"))
    names.say(secure, (0, 1, origin.port, "one.test"))
    gatehouse = serve({
        "ca_certificates": [{"id": identity, "cert": authority.cert}],
        "services": [{"name": "api", "protocol": "https", "host": secure, "ca_certificates": [identity],
                      "routes": [route("api", "/")]}]})
    wait_until(lambda: httpx.get(gatehouse.url).status_code == 200, "the place is known")
    assert set(origin.names) == {"zone.test"}
    origin.be(authority.sign("one.test"))
    names.say(secure, (0, 1, origin.port, "two.test"))
    names.address_of("two.test", "127.0.0.1")
    wait_until(lambda: httpx.get(gatehouse.url).status_code == 502, "a new connection is made")
    gatehouse.wait_for_line(lambda line: line.get("reason") == "upstream-tls-wrong-name")
    origin.stop()


# Servers that lie, fail or say nothing


def to_zone(zone: Zone) -> bytes:
    return record(NAME, SRV, service(0, 1, zone.port, "one.test"))


def loop(question, _):
    """A host whose name points at itself."""
    place = len(question.answer()) + len(question.section) - 4 + 10 + 6
    data = struct.pack(">HHH", 0, 1, 80) + struct.pack(">H", 0xC000 | place)
    return question.answer([question.section[:-4] + struct.pack(">HHIH", SRV, 1, 1, len(data)) + data])


NOTHING = {
    "no such name": lambda question, _: question.answer(code=NO_SUCH_NAME),
    "no record": lambda question, _: question.answer(),
    "the service is not there": lambda question, _: question.answer([record(NAME, SRV, service(0, 0, 0, "."))]),
    "port 0": lambda question, _: question.answer([record(NAME, SRV, service(0, 0, 0, "one.test"))]),
    "no host": lambda question, _: question.answer([record(NAME, SRV, struct.pack(">HHH", 0, 1, 80))]),
    "a host that is none": lambda question, _: question.answer([record(NAME, SRV, service(0, 1, 80, "a b;\r\nX: y"))]),
    "a loop": loop,
    "less than it says": lambda question, _: question.answer([to_zone_of_nobody()], count=3),
    "cut": lambda question, _: question.answer([to_zone_of_nobody()])[:-4],
    "another id": lambda question, _: question.answer([to_zone_of_nobody()], id=b"\0\0" if question.id != b"\0\0" else b"\1\1"),
    "another question": lambda question, _: question.answer([to_zone_of_nobody()]).replace(b"\4zone", b"\4zine"),
    "a question": lambda question, _: question.octets,
    "no message": lambda question, _: b"\0",
    "failure": lambda question, _: question.answer(code=SERVER_FAILURE),
    "silence": lambda *_: [],
    "cut short over TCP too": lambda question, _: question.answer(flags=0x8380),
}


def to_zone_of_nobody() -> bytes:
    return record(NAME, SRV, service(0, 1, 80, "one.test"))


@pytest.mark.parametrize("what", NOTHING)
def test_what_is_no_answer_is_503_until_there_is_one(serve, names, zones, what):
    names.lies[NAME] = NOTHING[what]
    gatehouse = serve(
        {"services": [{"name": "api", "host": NAME, "routes": [route("api", "/")]}]}, RES_OPTIONS="timeout:1 attempts:1")
    answer = httpx.get(gatehouse.url, timeout=30)
    assert answer.status_code == 503, answer.text
    assert answer.json()["message"] == "name resolution failed"
    names.say(NAME, (0, 1, zones[0].port, "one.test"))
    del names.lies[NAME]
    wait_until(lambda: httpx.get(gatehouse.url, timeout=30).status_code == 200, "the service is there")
    assert gatehouse.process.alive


def test_what_does_not_fit_is_asked_for_over_tcp(serve, names, zones):
    a, b, _ = zones
    everything = [to_zone(a), *[record(NAME, SRV, service(9, 1, 1, f"host-{number}.{'x' * 60}.test")) for number in range(200)]]

    def lie(question, protocol):
        return question.answer(everything) if protocol == "tcp" else question.answer(flags=0x8380)

    names.lies[NAME] = lie
    gatehouse = serve(with_upstream())
    assert set(answered(gatehouse, 10)) == {"a"}
    assert {protocol for name, _, protocol in names.asked if name == NAME} == {"udp", "tcp"}


def test_a_liar_among_the_answers_is_passed_over(serve, names, zones):
    """An answer with another id comes first, as from somebody who guesses."""
    a, *_ = zones
    names.lies[NAME] = lambda question, _: [
        question.answer([to_zone_of_nobody()], id=bytes(255 - each for each in question.id)),
        question.answer([to_zone(a)])]
    gatehouse = serve(with_upstream())
    assert set(answered(gatehouse, 10)) == {"a"}


# The resolver


def test_names_of_hosts_are_asked_for_there_too_and_of_the_system_what_is_not_known(serve, names, zones):
    a, *_ = zones
    gatehouse = serve({"services": [
        {"name": "one", "url": f"http://one.test:{a.port}", "routes": [route("one", "/one")]},
        {"name": "local", "url": f"http://localhost:{a.port}", "routes": [route("local", "/local")]}]})
    assert httpx.get(f"{gatehouse.url}/one").status_code == 200
    assert httpx.get(f"{gatehouse.url}/local").status_code == 200
    assert names.times("one.test") and names.times("localhost")


def test_a_server_may_have_an_address_of_ipv6(start, zones):
    if not socket.has_ipv6:
        pytest.skip("no IPv6")
    try:
        server = NameServer("::1")
    except OSError:
        pytest.skip("no ::1 here")
    a, *_ = zones
    with server:
        server.address_of("one.test", "127.0.0.1")
        server.say(NAME, (0, 1, a.port, "one.test"))
        gatehouse = start(with_upstream(), GATEHOUSE_DNS_RESOLVER=server.address)
        assert set(answered(gatehouse, 10)) == {"a"}


@pytest.mark.parametrize("setting, said", [
    ("resolver.example", "found 'resolver.example'"), ("10.0.0.1:0", "found '10.0.0.1:0'"),
    ("[::1", "found '[::1'"), ("10.0.0.1:99999", "found '10.0.0.1:99999'"),
    ("10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4", "at most 3 servers"),
])
def test_a_server_has_to_be_an_address(setting, said, tmp_path):
    (tmp_path / "gatehouse.yaml").write_text('_format_version: "3.0"\n')
    result = run("serve", "--config", str(tmp_path / "gatehouse.yaml"), "--dns-resolver", setting, folder=tmp_path)
    assert result.returncode != 0
    assert said in result.stdout + result.stderr
