"""Sessions in a Redis that sentinels name: a failover logs nobody out (complaint 23), and what sentinels may do wrong."""
import time

import httpx
import pytest

from support.browser import shown
from support.gatehouse import run
from support.processes import wait_until
from support.replication import Replication
from support.visitors import MEMORY, Visitors, ask, configuration, good


@pytest.fixture
def replication(tmp_path):
    made = Replication(tmp_path / "redis").start()
    yield made
    made.stop()


@pytest.fixture
def guarded(tmp_path):
    """With passwords, one for the servers and another for the sentinels."""
    made = Replication(tmp_path / "redis", password="word-of-redis", sentinel_password="word-of-sentinels").start()
    yield made
    made.stop()


def test_a_master_that_is_killed_logs_nobody_out(start, replication, upstream, issuer, light):
    """D15, complaint 23: SIGKILL under load: 200 or 503 until the replica is promoted, then 200 for every session; new ones
    begin there; and the old master, come back as a replica, is not asked."""
    gatehouse = start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=replication.url)
    people = [light() for _ in range(8)]
    for person in people:
        assert person.follow(gatehouse.url).status_code == 200
    replication.settle()
    visitors = Visitors(gatehouse, people)
    wait_until(lambda: len(visitors.answers) > 50, "they visit")
    first, second = replication.servers
    first.kill()
    killed = time.monotonic()
    gatehouse.wait_for_line(lambda line: line.get("message") == "session store down")
    wait_until(lambda: replication.role(second) == [b"master"], "the replica is promoted", 60)
    promoted = time.monotonic()
    wait_until(lambda: visitors.answers[-1].status_code == 200, "sessions go on", 10)
    print(f"promoted after {promoted - killed:.2f} s, sessions go on {time.monotonic() - promoted:.2f} s later")
    time.sleep(MEMORY)
    answers = visitors.end()
    assert all(good(answer) for answer in answers), {answer.status_code for answer in answers}
    assert {answer.status_code for answer in answers} == {200, 503}
    assert [ask(gatehouse, shown(person)).status_code for person in people] == [200] * 8
    assert light().follow(gatehouse.url).status_code == 200 and len(second.sessions()) == 9
    first.start()
    wait_until(lambda: replication.role(first) == [b"slave", b"connected"], "the old one follows", 30)
    assert light().follow(gatehouse.url).status_code == 200 and len(second.sessions()) == 10
    assert [ask(gatehouse, shown(person)).status_code for person in people] == [200] * 8


def test_a_master_that_was_cut_off_is_left(start, replication, upstream, issuer, light):
    """D15: it hangs while another takes its place, and comes back sure that it is master: it is not believed. And a failover that the
    operator asks for is hardly noticed."""
    gatehouse = start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=replication.url)
    browser = light()
    browser.follow(gatehouse.url)
    replication.settle()
    first, second = replication.servers
    first.hang()
    wait_until(lambda: replication.role(second) == [b"master"], "the replica is promoted", 60)
    time.sleep(MEMORY)
    wait_until(lambda: ask(gatehouse, shown(browser)).status_code == 200, "the session goes on", 10)
    first.go_on()
    assert light().follow(gatehouse.url).status_code == 200 and len(second.sessions()) == 2
    wait_until(lambda: replication.role(first) == [b"slave", b"connected"], "the old one follows", 30)
    wait_until(lambda: replication.is_ready(replication.ports[0]), "the sentinels are ready again", 60)
    visitors = Visitors(gatehouse, [browser])
    wait_until(lambda: replication.ask(replication.ports[0], "SENTINEL", "FAILOVER", replication.NAME) == b"OK",
               "the operator's failover begins", 20)
    wait_until(lambda: replication.role(first) == [b"master"], "the first is master again", 30)
    wait_until(lambda: replication.role(second) == [b"slave", b"connected"], "the second follows", 30)
    time.sleep(MEMORY)
    answers = visitors.end()
    assert all(good(answer) for answer in answers) and answers[-1].status_code == 200
    assert light().follow(gatehouse.url).status_code == 200 and len(first.sessions()) == 3


def test_a_master_that_answers_and_is_named_no_more_is_left(start, replication, upstream, issuer, light):
    """D15: as after a split: it is there and sure that it is master, and the sentinels name another. Nothing more is written there."""
    gatehouse = start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=replication.url)
    browser = light()
    browser.follow(gatehouse.url)
    replication.settle()
    first, second = replication.servers
    assert second.ask("REPLICAOF", "NO", "ONE") == b"OK"
    for port in replication.ports:
        assert replication.ask(port, "SENTINEL", "REMOVE", replication.NAME) == b"OK"
        assert replication.ask(
            port, "SENTINEL", "MONITOR", replication.NAME, "127.0.0.1", str(second.port), "2") == b"OK"
    wait_until(lambda: len(first.ask("CLIENT", "LIST", "TYPE", "normal").splitlines()) == 1, "nobody is left but who asks", 10)
    assert replication.role(first) == [b"master"]
    assert ask(gatehouse, shown(browser)).status_code == 200
    assert light().follow(gatehouse.url).status_code == 200
    assert len(second.sessions()) == 2 and len(first.sessions()) == 1


def test_a_sign_out_is_not_undone_by_a_failover(start, replication, upstream, issuer, light):
    """S4: the replica heard nothing of the sign-out when the master died; the gateway tells it, and the copy of the cookie opens
    nothing, on another node either."""
    gatehouse = start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=replication.url)
    other = start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=replication.url,
                  GATEHOUSE_KEYS_DIR=gatehouse.environment["GATEHOUSE_KEYS_DIR"])
    browser, stays = light(), light()
    for person in (browser, stays):
        person.follow(gatehouse.url)
    replication.settle()
    first, second = replication.servers
    fields = shown(browser)
    # Nothing reaches the replica any more.
    second.hang()
    assert first.ask("CLIENT", "KILL", "TYPE", "replica") == 1
    out = httpx.post(gatehouse.url + "/oauth2/sign_out", headers={**fields, "Sec-Fetch-Site": "same-origin"})
    assert out.status_code == 303 and len(first.sessions()) == 1
    first.kill()
    second.go_on()
    assert len(second.sessions()) == 2, "the replica did not hear of it"
    wait_until(lambda: replication.role(second) == [b"master"], "the replica is promoted", 60)
    wait_until(lambda: ask(other, shown(stays)).status_code == 200, "sessions go on", 10)
    wait_until(lambda: len(second.sessions()) == 1, "what was ended is ended here too", 5)
    time.sleep(MEMORY)
    assert [ask(node, fields).status_code for node in (gatehouse, other)] == [401, 401]
    assert ask(gatehouse, shown(stays)).status_code == 200


def test_with_passwords_and_a_sentinel_that_is_down(start, guarded, upstream, issuer, light):
    """Each is told its own password and no other; a sentinel that is gone holds nobody up, in a failover either."""
    guarded.sentinels[0].kill()
    url = guarded.url.replace("://", "://:word-of-redis@") + "?sentinel_password=word-of-sentinels"
    gatehouse = start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=url)
    browser = light()
    assert browser.follow(gatehouse.url).status_code == 200
    # Kong's record says the same, of a database of its own.
    record = {"password": "word-of-redis", "sentinel_master": guarded.NAME, "sentinel_password": "word-of-sentinels",
              "sentinel_nodes": [{"host": "127.0.0.1", "port": port} for port in guarded.ports], "database": 1}
    kong = start(configuration(upstream, issuer, session_storage="redis", redis=record))
    assert light().follow(kong.url).status_code == 200
    assert b"db1:" in guarded.servers[0].ask("INFO", "keyspace")
    guarded.settle()
    guarded.servers[0].kill()
    wait_until(lambda: guarded.role(guarded.servers[1]) == [b"master"], "the replica is promoted", 60)
    wait_until(lambda: ask(gatehouse, shown(browser)).status_code == 200, "the session goes on", 10)
    assert "word-of" not in gatehouse.text() + kong.text()


def test_what_sentinels_refuse_is_said(start, guarded, upstream, issuer, light):
    """A wrong name, no password, a wrong one, a server that is no sentinel, and nobody there: the log says which."""
    word = "?sentinel_password=word-of-sentinels"
    for url, reason in (
            (guarded.url.replace("/sessions/", "/other/") + word, "sentinel-unknown-master"),
            (guarded.url, "sentinel-refused-noauth"),
            (guarded.url + "?sentinel_password=wrong-word", "sentinel-refused-wrongpass"),
            (guarded.url + word, "refused-noauth"),
            (f"redis+sentinel://127.0.0.1:{guarded.servers[0].port}/sessions", "sentinel-refused-err"),
            ("redis+sentinel://127.0.0.1:1,127.0.0.1:2/sessions", "sentinel-unreachable")):
        gatehouse = start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=url)
        line = gatehouse.wait_for_line(lambda line: line.get("message") == "session store down")
        assert line["reason"] == reason, (line, url)
        assert light().open(gatehouse.url).status_code == 503
        assert "word" not in gatehouse.text().replace("password", "")
        assert gatehouse.stop() == 0


@pytest.mark.parametrize("value, said", [
    ("redis+cluster://h1,h2/1", "a cluster has no database but 0"),
    ("redis+sentinel://h1,h2/0", "expected redis+sentinel://HOST:PORT,HOST:PORT/MASTER/DATABASE"),
    ("redis+sentinel://h1/m?sentinel_password=secret-of-sentinels&x=1", "expected sentinel_username")])
def test_an_address_that_cannot_be_served_is_refused_at_the_start(tmp_path, value, said):
    """The sentence says what is wrong and never shows the URL."""
    done = run("serve", environment={"GATEHOUSE_SESSION_STORE": value}, folder=tmp_path)
    assert done.returncode == 1 and "session_store" in done.stderr and said in done.stderr, done.stderr
    assert "secret-of" not in done.stderr
