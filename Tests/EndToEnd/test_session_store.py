"""Sessions in Redis: what the browser holds and what the store does, several nodes, keys that change, and a store that fails."""
import re
import time

import httpx
import pytest

from support.browser import shown
from support.certificates import Authority
from support.gatehouse import openid_connect, route, run, service
from support.processes import free_port, wait_until
from support.redis import Redis
from support.relay import Relay
from support.visitors import MEMORY

METHODS = ["authorization_code", "session", "refresh_token"]


def configuration(upstream, issuer, **config) -> dict:
    return {"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(
        issuer, auth_methods=METHODS, **config)]))]}


@pytest.fixture
def gatehouse(start, upstream, issuer, redis):
    return start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=redis.url)


def another(start, first, upstream, issuer, redis, **environment):
    """A node with the same keys and store."""
    keys = first.environment["GATEHOUSE_KEYS_DIR"]
    return start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=redis.url, **{
        "GATEHOUSE_KEYS_DIR": keys, **environment})


def ask(gatehouse, fields, path: str = "/") -> httpx.Response:
    return httpx.get(gatehouse.url + path, headers=fields, timeout=30)


# What lies where

def test_the_browser_holds_a_small_handle_and_the_store_a_sealed_session(gatehouse, issuer, redis, light):
    """V1, V11, S3: neither the cookie nor the store tells anything of the user."""
    issuer.user["long"] = "".join(format(number, "x") for number in range(2600))
    browser = light()
    assert browser.follow(gatehouse.url).status_code == 200
    (name, value), = [(name, value) for name, value in browser.cookies.items() if "session-" in name]
    assert re.fullmatch(r"session-[0-9a-f]{8}", name) and len(value) < 200
    key, = redis.sessions()
    assert re.fullmatch(r"gatehouse:[0-9a-f]{16}:[0-9a-f]{64}", key)
    sealed = redis.ask("HGET", key, "d")
    assert len(sealed) > 4096 and b"alice" not in sealed
    for entry in redis.keys():
        assert "alice" not in entry and value not in entry
    assert 800_000 < redis.ask("PTTL", key) <= 900_000


def test_any_altered_bit_of_the_handle_asks_the_store_nothing(gatehouse, redis, light):
    """S3: what does not open is no session, and costs no round trip."""
    browser = light()
    browser.follow(gatehouse.url)
    name, value = next((name, value) for name, value in browser.cookies.items() if "session-" in name)
    before = gatehouse.metric("gatehouse_store_calls_total")
    for at in (0, 2, 10, len(value) // 2, len(value) - 2):
        other = value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1:]
        assert ask(gatehouse, {"Cookie": f"{name}={other}", "Accept": "application/json"}).status_code == 401
    assert gatehouse.metric("gatehouse_store_calls_total") == before


def test_a_record_in_anothers_place_opens_nothing(gatehouse, redis, light):
    """S3: each record is sealed under its own name."""
    mine, theirs = light(), light()
    mine.follow(gatehouse.url)
    key, = redis.sessions()
    theirs.follow(gatehouse.url)
    other, = set(redis.sessions()) - {key}
    time.sleep(MEMORY)
    redis.ask("HSET", other, "d", redis.ask("HGET", key, "d").decode())
    assert ask(gatehouse, shown(theirs)).status_code == 401
    assert ask(gatehouse, shown(mine)).status_code == 200


def test_tenants_do_not_meet_in_one_store(start, upstream, issuer, redis, light):
    """Complaint 16: the same store and keys, another audience of sessions; a cookie of one opens nothing of the other."""
    gatehouse = start({"services": [service(
        upstream.url,
        route("one", "/one", plugins=[openid_connect(issuer, auth_methods=METHODS, session_cookie_name="s")]),
        route("two", "/two", plugins=[openid_connect(
            issuer, auth_methods=METHODS, session_cookie_name="s", session_audience="two")]))]},
        GATEHOUSE_SESSION_STORE=redis.url)
    browser = light()
    browser.follow(gatehouse.url + "/one")
    assert ask(gatehouse, shown(browser), "/one").status_code == 200
    assert ask(gatehouse, shown(browser), "/two").status_code == 401


def test_a_requests_way_costs_no_round_trip_each_time(gatehouse, redis, light):
    """A worker believes the store for a second: a hundred requests cost few look-ups."""
    browser = light()
    browser.follow(gatehouse.url)
    fields = shown(browser)
    before = gatehouse.metric("gatehouse_store_calls_total", outcome="ok")
    began = time.monotonic()
    with httpx.Client(headers=fields) as client:
        for _ in range(100):
            assert client.get(gatehouse.url).status_code == 200
    spent = time.monotonic() - began
    assert gatehouse.metric("gatehouse_store_calls_total", outcome="ok") - before <= 3 * (spent + 2)


def test_an_idle_session_ends_and_a_used_one_does_not(start, upstream, issuer, redis, light):
    """V3: the store keeps the idle time; use moves it."""
    gatehouse = start(configuration(upstream, issuer, session_idling_timeout=3), GATEHOUSE_SESSION_STORE=redis.url)
    browser = light()
    browser.follow(gatehouse.url)
    key, = redis.sessions()
    end = time.monotonic() + 4.5
    while time.monotonic() < end:
        assert ask(gatehouse, shown(browser)).status_code == 200
        time.sleep(0.1)
    wait_until(lambda: redis.ask("EXISTS", key) == 0, "the idle session is gone", 5)
    assert ask(gatehouse, shown(browser)).status_code == 401


def test_a_plugin_may_choose_for_itself(start, upstream, issuer, redis, light):
    """`session_storage` beats `session_store`, both ways; Kong's `redis` record says where."""
    gatehouse = start(configuration(upstream, issuer, session_storage="redis", redis={
        "host": "127.0.0.1", "port": redis.port, "database": 2, "prefix": "kong:", "read_timeout": 1000}))
    light().follow(gatehouse.url)
    assert redis.sessions() == []
    first = redis.ask("INFO", "keyspace")
    assert b"db2:" in first and b"db0:" not in first
    cookies = start(configuration(upstream, issuer, session_storage="cookie"), GATEHOUSE_SESSION_STORE=redis.url)
    browser = light()
    browser.follow(cookies.url)
    assert redis.sessions() == [] and any(len(value) > 1000 for value in browser.cookies.values())


# The end

def test_a_sign_out_ends_the_session_for_copies_of_its_cookie_and_on_every_node(
        start, gatehouse, upstream, issuer, redis, light):
    """V4, complaint 12: the record is gone, and the other node notices within a second."""
    other = another(start, gatehouse, upstream, issuer, redis)
    browser = light()
    browser.follow(gatehouse.url)
    fields = shown(browser)
    assert ask(other, fields).status_code == 200
    out = httpx.post(gatehouse.url + "/oauth2/sign_out", headers={**fields, "Sec-Fetch-Site": "same-origin"})
    assert out.status_code == 303 and "id_token_hint" in out.headers["location"]
    ended = time.monotonic()
    assert ask(gatehouse, fields).status_code == 401
    wait_until(lambda: ask(other, fields).status_code == 401, "the other node notices", 3)
    assert time.monotonic() - ended < 1.5
    wait_until(lambda: redis.sessions() == [], "the record is gone", 3)


def test_a_new_login_ends_the_old_session(gatehouse, redis, light):
    """S4, V2: another handle, and the old one is dead."""
    browser = light()
    browser.follow(gatehouse.url)
    old, key = shown(browser), redis.sessions()
    browser.follow(gatehouse.url + "/oauth2/start?rd=/again")
    wait_until(lambda: len(redis.sessions()) == 1 and redis.sessions() != key, "the old record is gone", 3)
    assert ask(gatehouse, old).status_code == 401 and ask(gatehouse, shown(browser)).status_code == 200


def test_a_sign_out_while_the_store_is_down_says_so(gatehouse, redis, light):
    """V4: nobody is told that he is signed out who is not."""
    browser = light()
    browser.follow(gatehouse.url)
    redis.kill()
    fields = {**shown(browser), "Sec-Fetch-Site": "same-origin"}
    out = httpx.post(gatehouse.url + "/oauth2/sign_out", headers=fields, timeout=10)
    assert out.status_code == 503 and out.headers["retry-after"]
    redis.start()
    wait_until(lambda: httpx.post(gatehouse.url + "/oauth2/sign_out", headers=fields).status_code == 303, "signed out", 5)
    wait_until(lambda: redis.sessions() == [], "the record is gone", 3)


# Nodes and keys

def test_no_session_is_lost_by_restart_reload_or_a_new_node(start, gatehouse, upstream, issuer, redis, light):
    """Complaint 22: thirty sessions outlive a restart, a reload, a SIGKILL, the store's restart and a node that is added."""
    people = [light() for _ in range(30)]
    for person in people:
        assert person.follow(gatehouse.url).status_code == 200

    def lost(node) -> list[int]:
        return [code for code in (ask(node, shown(person)).status_code for person in people) if code != 200]

    assert gatehouse.stop() == 0
    gatehouse.start()
    assert lost(gatehouse) == []
    run("reload", folder=gatehouse.folder, environment=gatehouse.environment)
    assert lost(gatehouse) == []
    gatehouse.process.kill()
    gatehouse.start()
    assert lost(gatehouse) == []
    assert lost(another(start, gatehouse, upstream, issuer, redis)) == []
    redis.kill()
    redis.start()
    wait_until(lambda: ask(gatehouse, shown(people[0])).status_code == 200, "the store is back", 5)
    assert lost(gatehouse) == []


def test_keys_rotate_without_a_logout(gatehouse, redis, light):
    """Complaint 24: three rotations and reloads; the browser's cookie and the record are sealed anew on the way."""
    browser = light()
    browser.follow(gatehouse.url)
    seen = {shown(browser)["Cookie"]}
    for _ in range(3):
        made = run("keys", "rotate", "--dir", gatehouse.environment["GATEHOUSE_KEYS_DIR"])
        assert made.returncode == 0, made.stderr
        told = run("reload", folder=gatehouse.folder, environment=gatehouse.environment)
        assert told.returncode == 0, told.stdout + told.stderr
        assert browser.open(gatehouse.url).status_code == 200
        seen.add(shown(browser)["Cookie"])
    assert len(seen) == 4
    assert len(redis.sessions()) == 1


# A store that fails (D15, complaint 23)

def refused(answer: httpx.Response) -> bool:
    """Refused for the store's sake: 503 with `Retry-After`, and no cookie is touched."""
    return answer.status_code == 503 and answer.headers["retry-after"].isdigit() and not answer.headers.get("set-cookie")


def test_without_the_store_sessions_are_503_and_never_a_login(gatehouse, redis, light, upstream):
    """D15: stopped, then started again: nobody is let in unchecked, nobody is sent to log in, nobody is logged out."""
    browser = light()
    browser.follow(gatehouse.url)
    upstream.seen.clear()
    redis.stop()
    gatehouse.wait_for_line(lambda line: line.get("message") == "session store down")
    time.sleep(MEMORY)
    for _ in range(5):
        assert refused(ask(gatehouse, shown(browser)))
        assert refused(browser.open(gatehouse.url))
    stranger = light().open(gatehouse.url)
    assert stranger.status_code == 503, "a login whose session nobody keeps would go round in circles"
    assert upstream.seen == []
    redis.start()
    began = time.monotonic()
    wait_until(lambda: ask(gatehouse, shown(browser)).status_code == 200, "the session goes on", 5)
    assert time.monotonic() - began <= 2
    assert gatehouse.refusals("session-store-down") >= 10


def test_a_restart_of_the_store_is_not_noticed(gatehouse, redis, light):
    """Complaint 23: a pooled connection that the server has given up is found out, and the look-up made again."""
    browser = light()
    browser.follow(gatehouse.url)
    for _ in range(5):
        redis.ask("CLIENT", "KILL", "TYPE", "normal")
        time.sleep(MEMORY)
        assert ask(gatehouse, shown(browser)).status_code == 200
    redis.stop()
    redis.start()
    wait_until(lambda: ask(gatehouse, shown(browser)).status_code == 200, "the session goes on", 2)


@pytest.mark.parametrize("way", ["stopped", "paused", "half-open"])
def test_a_store_that_says_nothing_holds_nobody_up(start, upstream, issuer, redis, light, way):
    """D15: SIGSTOP, CLIENT PAUSE, a peer that vanished: 503 within the time limit, then at once; back within two seconds."""
    relay = Relay(redis.port)
    gatehouse = start(configuration(upstream, issuer),
                      GATEHOUSE_SESSION_STORE=f"redis://127.0.0.1:{relay.port}/0")
    browser = light()
    browser.follow(gatehouse.url)
    time.sleep(MEMORY)
    {"stopped": redis.hang, "paused": lambda: redis.ask("CLIENT", "PAUSE", "60000", "ALL"),
     "half-open": relay.swallow}[way]()
    began = time.monotonic()
    assert refused(ask(gatehouse, shown(browser)))
    assert time.monotonic() - began < 3
    gatehouse.wait_for_line(lambda line: line.get("message") == "session store down")
    began = time.monotonic()
    assert refused(ask(gatehouse, shown(browser)))
    assert time.monotonic() - began < 2.5
    if way == "paused":
        redis.kill()
        redis.start()
    else:
        {"stopped": redis.go_on, "half-open": relay.go_on}[way]()
    began = time.monotonic()
    wait_until(lambda: ask(gatehouse, shown(browser)).status_code == 200, "the session goes on", 8)
    assert time.monotonic() - began < 3
    relay.close()


def test_a_store_that_is_full_begins_no_session(gatehouse, redis, light):
    """D15: `maxmemory`: a login says so and can be tried again; sessions that are there go on."""
    browser = light()
    browser.follow(gatehouse.url)
    redis.ask("CONFIG", "SET", "maxmemory", "1")
    stranger = light()
    back = stranger.open(stranger.to_callback(gatehouse.url))
    assert back.status_code == 503 and back.headers["retry-after"]
    assert ask(gatehouse, shown(browser)).status_code == 200
    redis.ask("CONFIG", "SET", "maxmemory", "0")
    assert light().follow(gatehouse.url).status_code == 200


def test_a_wrong_password_is_said_and_refused(start, upstream, issuer, redis, light):
    """D15: the log says why, without the password; once it is right sessions go on."""
    redis.ask("CONFIG", "SET", "requirepass", "right-password-of-redis")
    gatehouse = start(configuration(upstream, issuer),
                      GATEHOUSE_SESSION_STORE=f"redis://:wrong-password-of-redis@127.0.0.1:{redis.port}/0")
    line = gatehouse.wait_for_line(lambda line: line.get("message") == "session store down")
    assert line["reason"] == "refused-wrongpass" and "wrong-password" not in gatehouse.text()
    assert light().open(gatehouse.url).status_code == 503
    right = start(configuration(upstream, issuer),
                  GATEHOUSE_SESSION_STORE=f"redis://:right-password-of-redis@127.0.0.1:{redis.port}/0")
    assert light().follow(right.url).status_code == 200
    assert "right-password" not in right.text()


def test_rediss_is_verified(start, upstream, issuer, tmp_path, light):
    """Our authority's server is believed under its name. One for another name, one for the address behind the name (which whoever
    answers for a name could get), and one of another authority are not, and are not told the password."""
    authority, stranger = Authority("store"), Authority("stranger")
    (tmp_path / "ca.pem").write_text(authority.cert)
    for signer, named, asked, good in (
            (authority, "127.0.0.1", "127.0.0.1", True), (authority, "localhost", "localhost", True),
            (authority, "127.0.0.9", "127.0.0.1", False), (authority, "127.0.0.1", "localhost", False),
            (stranger, "127.0.0.1", "127.0.0.1", False)):
        folder = tmp_path / f"tls-{signer.serial}-{named}-{asked}"
        folder.mkdir()
        cert, key = signer.sign(named).files(folder)
        tls_port = free_port()
        server = Redis(folder, "--tls-port", str(tls_port), "--tls-cert-file", cert, "--tls-key-file", key,
                       "--tls-auth-clients", "no", "--tls-ca-cert-file", str(tmp_path / "ca.pem")).start()
        server.ask("CONFIG", "SET", "requirepass", "a-password-of-redis")
        gatehouse = start(configuration(upstream, issuer), GATEHOUSE_TRUSTED_CA_FILE=str(tmp_path / "ca.pem"),
                          GATEHOUSE_SESSION_STORE=f"rediss://:a-password-of-redis@{asked}:{tls_port}/0")
        if good:
            assert light().follow(gatehouse.url).status_code == 200
        else:
            line = gatehouse.wait_for_line(lambda line: line.get("message") == "session store down")
            assert line["reason"] == "refused-tls"
            assert light().open(gatehouse.url).status_code == 503
        server.stop()


def test_a_unix_socket_serves_too(start, upstream, issuer, tmp_path, light):
    socket_path = tmp_path / "r.sock"
    server = Redis(tmp_path / "unix", "--unixsocket", str(socket_path)).start()
    gatehouse = start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=f"unix://{socket_path}?db=0")
    assert light().follow(gatehouse.url).status_code == 200 and len(server.sessions()) == 1
    server.stop()


@pytest.mark.parametrize("value, said", [
    ("redis+cluster://h1,h2/2", "a cluster has no database but 0"),
    ("redis://h1,h2/0", "several hosts are a cluster, redis+cluster://"), ("redis://u:secret-of-redis@h/x", "number of a database")])
def test_a_store_that_cannot_be_served_is_refused_at_the_start(tmp_path, value, said):
    """The sentence says what is wrong and never shows the URL."""
    done = run("serve", environment={"GATEHOUSE_SESSION_STORE": value}, folder=tmp_path)
    assert done.returncode == 1 and "session_store" in done.stderr and said in done.stderr, done.stderr
    assert "secret-of-redis" not in done.stderr


def test_what_was_proven_goes_on_for_the_grace(start, upstream, issuer, redis, light):
    """D15, `session_store_down: grace=4`: on every worker, for so long, and no longer; strangers are refused."""
    gatehouse = start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=redis.url,
                      GATEHOUSE_SESSION_STORE_DOWN="grace=4")
    known, unknown = light(), light()
    for browser in (known, unknown):
        browser.follow(gatehouse.url)
    assert gatehouse.stop() == 0
    gatehouse.start()
    assert ask(gatehouse, shown(known)).status_code == 200
    seen = time.monotonic()
    redis.kill()
    while time.monotonic() - seen < 3.5:
        assert ask(gatehouse, shown(known)).status_code == 200
    assert refused(ask(gatehouse, shown(unknown)))
    wait_until(lambda: refused(ask(gatehouse, shown(known))), "the grace is over", 3)
    redis.start()
    wait_until(lambda: ask(gatehouse, shown(unknown)).status_code == 200, "the store is back", 3)
    assert ask(gatehouse, shown(known)).status_code == 200
