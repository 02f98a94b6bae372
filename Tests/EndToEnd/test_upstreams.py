"""Upstreams of several targets: who gets what, who is left out, and how it comes back."""
import collections
import signal

import httpx
import pytest
from support.gatehouse import route
from support.load import Load
from support.processes import wait_until
from support.zone import Zone

# Takes a target out at the first failure, and tries it soon.
QUICK = {"passive": {"unhealthy": {"tcp_failures": 1, "timeouts": 1, "http_failures": 2}}}
SOON = {"trial_seconds": 0.2}
CLIENTS = 4


@pytest.fixture
def zones(tmp_path):
    """Three zones: a, b and c."""
    made = [Zone(name, tmp_path).start() for name in "abc"]
    yield made
    for zone in made:
        zone.stop()


def configuration(targets: list, service: dict | None = None, **upstream) -> dict:
    """One service that goes to an upstream with these targets."""
    targets = [target if isinstance(target, dict) else {"target": target.target} for target in targets]
    return {
        "upstreams": [{"name": "zones", "targets": targets, **upstream}],
        "services": [{"name": "api", "host": "zones", "routes": [route("api", "/")], **(service or {})}],
    }


def health(gatehouse, zone: Zone, state: str) -> float:
    """How many workers hold a zone so."""
    return gatehouse.metric("gatehouse_upstream_target_health", upstream="zones", target=zone.target, state=state)


def all_hold(gatehouse, zone: Zone, state: str):
    """Waits until both workers hold a zone so."""
    wait_until(lambda: health(gatehouse, zone, state) == 2, f"zone {zone.name} is {state}")


def goes_on(load: Load, more: int = 100):
    """Waits until so many more requests were answered."""
    before = sum(load.counts.values())
    wait_until(lambda: sum(load.counts.values()) >= before + more, "more answers", 30)


def comes_back(zone: Zone):
    """Waits until a zone gets requests again."""
    before = zone.count
    wait_until(lambda: zone.count > before + 10, f"zone {zone.name} gets requests", 30)


def reload(gatehouse, new: dict):
    """Takes a new file into force."""
    gatehouse.write(new)
    before = gatehouse.metric("gatehouse_reloads_total", result="taken")
    gatehouse.process.signal(signal.SIGHUP)
    wait_until(lambda: gatehouse.metric("gatehouse_reloads_total", result="taken") > before, "the file was read")


def names(gatehouse, count: int, **more) -> list[str]:
    """Which zones answer so many requests, over one connection."""
    with httpx.Client(base_url=gatehouse.url, timeout=10) as client:
        answers = [client.get("/", **more) for _ in range(count)]
    assert all(answer.status_code == 200 for answer in answers), answers
    return [answer.headers["x-zone"] for answer in answers]


# Who gets what


def test_weights_hold(start, zones):
    a, b, _ = zones
    gatehouse = start(configuration([{"target": a.target, "weight": 30}, {"target": b.target, "weight": 10}]))
    assert collections.Counter(names(gatehouse, 200)) == {"a": 150, "b": 50}


def test_the_upstream_sees_the_target_as_host_or_what_host_header_says(start, upstream):
    target = f"127.0.0.1:{upstream.port}"
    gatehouse = start(configuration([{"target": target}]))
    httpx.get(gatehouse.url)
    assert upstream.last.all("host") == [target]
    gatehouse = start(configuration([{"target": target}], host_header="api.example"))
    httpx.get(gatehouse.url)
    assert upstream.last.all("host") == ["api.example"]


def test_a_slow_zone_gets_less(start, zones):
    a, b, _ = zones
    b.be("slow", 0.2)
    gatehouse = start(configuration([a, b], algorithm="least-connections"))
    with Load(gatehouse.port, kept=4, fresh=4, target="/") as load:
        goes_on(load, 300)
    assert load.failures == []
    assert a.count > 3 * b.count


def test_hashing_sticks_and_only_the_lost_zones_users_move(start, zones):
    gatehouse = start(configuration(
        zones, algorithm="consistent-hashing", hash_on="header", hash_on_header="X-User", hash_fallback="ip",
        healthchecks=QUICK, gatehouse={"trial_seconds": 0}))

    def homes() -> dict[str, str]:
        """Where each user goes; each asks over connections of its own, to whatever worker."""
        found = {}
        for user in map(str, range(60)):
            seen = {httpx.get(gatehouse.url, headers={"X-User": user}).headers["x-zone"] for _ in range(2)}
            assert len(seen) == 1
            found[user] = seen.pop()
        return found

    before = homes()
    assert set(before.values()) == {"a", "b", "c"}
    zones[1].kill()
    after = homes()
    assert "b" not in after.values()
    assert {user: zone for user, zone in before.items() if zone != "b"}.items() <= after.items()
    # Without the header the client's address counts.
    assert len(set(names(gatehouse, 10))) == 1


def test_a_cookie_is_set_once_and_sticks(start, zones):
    gatehouse = start(configuration(
        zones, algorithm="consistent-hashing", hash_on="cookie", hash_on_cookie="zone", hash_on_cookie_path="/"))
    seen = set()
    for _ in range(12):
        with httpx.Client(base_url=gatehouse.url) as client:
            first = client.get("/")
            assert first.headers["set-cookie"].startswith("zone=")
            rest = [client.get("/") for _ in range(5)]
            assert {answer.headers["x-zone"] for answer in rest} == {first.headers["x-zone"]}
            assert not any("set-cookie" in answer.headers for answer in rest)
            seen.add(first.headers["x-zone"])
    assert len(seen) > 1


def test_sticky_sessions_stay_where_they_are_until_that_is_lost(start, zones):
    a, b, c = zones
    sticky = {"algorithm": "sticky-sessions", "sticky_sessions_cookie": "zone", "healthchecks": QUICK,
              "gatehouse": {"trial_seconds": 0}}
    gatehouse = start(configuration([a, b], **sticky))
    with httpx.Client(base_url=gatehouse.url) as first, httpx.Client(base_url=gatehouse.url) as second:
        def home(client, count: int = 6) -> str:
            answers = [client.get("/") for _ in range(count)]
            seen = {answer.headers["x-zone"] for answer in answers}
            assert len(seen) == 1, seen
            return seen.pop()

        answer = first.get("/")
        assert answer.headers["set-cookie"].endswith("; Path=/; HttpOnly; SameSite=Lax")
        homes = {client: home(client) for client in (first, second)}
        assert homes[first] == answer.headers["x-zone"]
        while homes[first] == homes[second]:
            second.cookies.clear()
            homes[second] = home(second)
        assert not any("set-cookie" in first.get("/").headers for _ in range(4))
        # Another zone moves nobody, and one without weight keeps who is there.
        lost, kept = (a, b) if homes[first] == "a" else (b, a)
        reload(gatehouse, configuration([{"target": lost.target, "weight": 0}, kept, c], **sticky))
        wait_until(lambda: health(gatehouse, c, "healthy") == 2, "the new file serves")
        assert home(first) == homes[first] and home(second) == homes[second]
        assert lost.name not in names(gatehouse, 20)
        lost.kill()
        wait_until(lambda: first.get("/").status_code == 200, "another zone answers")
        moved = home(first)
        assert moved != lost.name
        assert home(second) == homes[second]
        # It does not go back either.
        lost.start()
        assert home(first) == moved


def test_a_group_of_the_path_chooses_the_zone(start, zones):
    upstream = configuration(
        zones, algorithm="consistent-hashing", hash_on="uri_capture", hash_on_uri_capture="user", hash_fallback="none")
    upstream["services"][0]["routes"] = [{
        "name": "users", "paths": [r"~/users/(?<user>[^/]+)", "/"], "strip_path": False}]
    gatehouse = start(upstream)
    homes = {}
    for user in map(str, range(30)):
        seen = {httpx.get(f"{gatehouse.url}/users/{user}/{tail}").headers["x-zone"] for tail in "xyz"}
        assert len(seen) == 1, (user, seen)
        homes[user] = seen.pop()
    assert set(homes.values()) == {"a", "b", "c"}
    assert len(set(names(gatehouse, 9))) == 3, "without a group requests take turns"


# Who is left out, and comes back


def held_to_the_rules(gatehouse, load: Load):
    """Each failure is a 502, or an answer that broke off; and so many did, by the log."""
    others = [failure for failure in load.failures if " 502 " not in failure]
    assert all("closed" in failure or "ConnectionResetError" in failure for failure in others), load.failures
    broken = [line for line in gatehouse.whole_lines() if line.get("reason") == "upstream-closed-within-answer"]
    assert len(others) <= len(broken), (load.failures, broken)


def test_a_killed_zone_costs_only_what_was_under_way_there(start, zones):
    a, b, _ = zones
    gatehouse = start(configuration([a, b], healthchecks=QUICK, gatehouse=SOON))
    with Load(gatehouse.port, target="/") as load:
        goes_on(load)
        a.kill()
        wait_until(lambda: health(gatehouse, a, "healthy") == 0, "zone a is left out")
        goes_on(load)
        a.start()
        comes_back(a)
        all_hold(gatehouse, a, "healthy")
        goes_on(load)
    # A request that went out on a new connection may not be sent again, nor one whose answer had begun.
    held_to_the_rules(gatehouse, load)
    assert len(load.failures) <= CLIENTS
    assert gatehouse.metric("gatehouse_upstream_retries_total", upstream="zones") > 0
    assert gatehouse.metric("gatehouse_upstream_target_failures_total", target=a.target, kind="tcp") > 0
    told = [line["message"] for line in gatehouse.lines() if "target" in line.get("message", "")]
    assert [" is unhealthy" in line for line in told] == [True, False], told


def test_a_hung_zone_costs_only_who_waits_for_it(start, zones):
    a, b, _ = zones
    gatehouse = start(configuration([a, b], {"read_timeout": 400}, healthchecks=QUICK, gatehouse=SOON))
    with Load(gatehouse.port, target="/") as load:
        goes_on(load)
        a.hang()
        wait_until(lambda: health(gatehouse, a, "healthy") == 0, "zone a is left out")
        goes_on(load)
        trials = len(load.failures)
        wait_until(lambda: len(load.failures) > trials, "a trial fails")
        a.go_on()
        comes_back(a)
        all_hold(gatehouse, a, "healthy")
    assert all(" 504 " in failure for failure in load.failures), load.failures
    # One for each client that was there, and one for each trial, of which the next comes later each time.
    assert len(load.failures) <= CLIENTS + 8


def test_a_flapping_zone_costs_only_what_was_under_way_there(start, zones):
    a, b, _ = zones
    gatehouse = start(configuration([a, b], healthchecks=QUICK, gatehouse=SOON))
    with Load(gatehouse.port, target="/") as load:
        for _ in range(4):
            comes_back(a)
            a.kill()
            goes_on(load, 50)
            a.start()
        comes_back(a)
    held_to_the_rules(gatehouse, load)
    assert len(load.failures) <= 4 * CLIENTS


def test_without_checks_a_dead_zone_is_asked_and_each_request_goes_elsewhere(start, zones):
    a, b, _ = zones
    gatehouse = start(configuration([a, b]))
    a.kill()
    assert names(gatehouse, 40) == ["b"] * 40
    gatehouse = start(configuration([a, b], {"retries": 0}))
    statuses = [httpx.get(gatehouse.url).status_code for _ in range(20)]
    assert 502 in statuses and 200 in statuses


def test_statuses_take_a_zone_out(start, zones):
    a, b, _ = zones
    a.be("status", 503)
    gatehouse = start(configuration([a, b], healthchecks=QUICK, gatehouse={"trial_seconds": 3600}))
    with httpx.Client(base_url=gatehouse.url) as client:
        statuses = [client.get("/").status_code for _ in range(30)]
    assert statuses.count(503) == 2
    assert gatehouse.metric("gatehouse_upstream_target_failures_total", target=a.target, kind="http") == 2


def test_active_checks_take_a_zone_out_and_bring_it_back(start, zones):
    a, b, _ = zones
    gatehouse = start(configuration([a, b], healthchecks={"active": {
        "http_path": "/health", "healthy": {"interval": 0.1, "successes": 2},
        "unhealthy": {"interval": 0.1, "http_failures": 2, "tcp_failures": 1}}}))
    before = a.count
    a.be("status", 503)
    all_hold(gatehouse, a, "unhealthy")
    assert set(names(gatehouse, 10)) == {"b"}
    a.be("status", 200)
    all_hold(gatehouse, a, "healthy")
    assert set(names(gatehouse, 10)) == {"a", "b"}
    a.kill()
    all_hold(gatehouse, a, "unhealthy")
    a.start()
    all_hold(gatehouse, a, "healthy")
    assert before == 0
    told = [line["message"] for line in gatehouse.lines() if "target" in line.get("message", "")]
    assert [" is unhealthy" in line for line in told] == [True, False, True, False], told


def test_failover_targets_serve_only_while_no_other_does(start, zones):
    a, b, _ = zones
    gatehouse = start(configuration(
        [a, {"target": b.target, "failover": True}], healthchecks=QUICK, gatehouse=SOON))
    assert set(names(gatehouse, 10)) == {"a"}
    a.kill()
    wait_until(lambda: httpx.get(gatehouse.url).status_code == 200, "the failover target serves")
    assert set(names(gatehouse, 10)) == {"b"}
    a.start()
    wait_until(lambda: names(gatehouse, 1) == ["a"], "a trial finds zone a")
    all_hold(gatehouse, a, "healthy")
    assert set(names(gatehouse, 10)) == {"a"}


def test_an_upstream_without_a_healthy_target_is_503(start, zones):
    a, *_ = zones
    gatehouse = start(configuration([a], healthchecks=QUICK, gatehouse={"trial_seconds": 0}))
    a.kill()
    assert httpx.get(gatehouse.url).status_code == 502
    wait_until(lambda: health(gatehouse, a, "unhealthy") == 2, "zone a is left out")
    answer = httpx.get(gatehouse.url)
    assert answer.status_code == 503
    assert answer.json()["message"] == "failure to get a peer from the ring-balancer"
    assert gatehouse.refusals("upstream-no-target") == 1
    # As in Kong: nobody comes back without an active check, where trials are switched off.
    a.start()
    assert httpx.get(gatehouse.url).status_code == 503


def test_an_upstream_without_targets_is_503_and_said_at_start(start):
    gatehouse = start(configuration([]))
    assert httpx.get(gatehouse.url).status_code == 503
    assert any("has no target" in line["message"] for line in gatehouse.lines() if "message" in line)


def test_health_survives_a_reload(start, zones):
    a, b, c = zones
    more = {"healthchecks": QUICK, "gatehouse": {"trial_seconds": 3600}}
    gatehouse = start(configuration([a, b], **more))
    a.kill()
    assert names(gatehouse, 10) == ["b"] * 10
    all_hold(gatehouse, a, "unhealthy")
    a.start()
    # Another weight, another target, another route: the zone is still out; as a new target it would not be.
    changed = configuration([a, {"target": b.target, "weight": 7}, c], **more)
    changed["services"][0]["routes"].append(route("other", "/other"))
    reload(gatehouse, changed)
    wait_until(lambda: health(gatehouse, c, "healthy") == 2, "the new file serves")
    assert set(names(gatehouse, 30)) == {"b", "c"}
    reload(gatehouse, configuration([b, c], **more))
    wait_until(lambda: a.target not in gatehouse.metrics(), "zone a is gone")
    reload(gatehouse, configuration([a, b], **more))
    wait_until(lambda: health(gatehouse, a, "healthy") == 2, "zone a is a new target")
    assert set(names(gatehouse, 10)) == {"a", "b"}
