"""Sessions in a Redis cluster: each with the master of its key, and nobody is logged out when that is another one (D15)."""
import threading
import time

import httpx
import pytest

from support.browser import shown
from support.certificates import Authority
from support.cluster import Cluster
from support.crowd import CROWD, crowd, refreshes, slowly, statuses
from support.processes import wait_until
from support.redis import Redis
from support.visitors import MEMORY, Visitors, ask, configuration, good
from test_logout import logout_token, tell


def sign_out(gatehouse, fields) -> httpx.Response:
    return httpx.post(gatehouse.url + "/oauth2/sign_out", headers={**fields, "Sec-Fetch-Site": "same-origin"})


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path / "c").start()
    yield made
    made.stop()


@pytest.fixture
def pair(start, cluster, upstream, issuer):
    """Two nodes with one cluster; each is told of other servers of it, and of one that is away."""
    first = start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=cluster.url)
    url = f"redis+cluster://127.0.0.1:1,127.0.0.1:{cluster.servers[5].port}"
    return first, start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=url,
                        GATEHOUSE_KEYS_DIR=first.environment["GATEHOUSE_KEYS_DIR"])


def users(light, gatehouse, count: int) -> list:
    people = [light() for _ in range(count)]
    for person in people:
        assert person.follow(gatehouse.url).status_code == 200
    return people


def test_sessions_lie_with_all_masters_and_end_on_every_node(pair, cluster, issuer, light):
    """V4, V5: login, requests on both nodes, a sign-out, and the end of all sessions of a user, wherever they lie."""
    first, second = pair
    people = users(light, first, 16)
    counts = [len(master.sessions()) for master in cluster.masters]
    assert sum(counts) == 16 and all(counts), counts
    assert [ask(node, shown(person)).status_code for node in pair for person in people] == [200] * 32
    fields = shown(people[0])
    assert sign_out(first, fields).status_code == 303
    wait_until(lambda: ask(second, fields).status_code == 401, "the other node notices", 3)
    assert ask(first, fields).status_code == 401 and len(cluster.sessions()) == 15
    assert tell(second, logout_token(issuer)).status_code == 200
    assert cluster.sessions() == [], "every master has removed them"
    time.sleep(MEMORY)
    assert {ask(node, shown(person)).status_code for node in pair for person in people} == {401}
    wait_until(lambda: light().follow(first.url).status_code == 200, "a new login", 5)


def test_a_crowd_on_two_nodes_renews_once(pair, cluster, issuer, light):
    """D9: 200 requests with an ended token over two nodes: one renewal, 200 answers, and no lease is left."""
    issuer.access_seconds = 2
    browser, = users(light, pair[0], 1)
    time.sleep(2)
    issuer.access_seconds = 600
    slowly(issuer)
    answers = crowd([node.url for node in pair], shown(browser))
    assert statuses(answers) == {200: CROWD} and refreshes(issuer) == 1
    assert len({answer.json()["headers"]["authorization"] for answer in answers}) == 1
    assert [key for master in cluster.masters for key in master.keys("*:lease")] == []


def test_a_master_that_is_killed_logs_nobody_out(pair, cluster, light):
    """D15, complaint 23: SIGKILL under load of the master that holds a session: 200 or 503 until its replica is promoted, then 200 for
    all; sessions of other masters go on; new ones begin; the old master comes back as a replica."""
    first, _ = pair
    people = users(light, first, 12)
    cluster.settle()
    victim = cluster.masters[1]
    replica, held = cluster.replica(victim), victim.sessions()
    assert held
    visitors = Visitors(first, people)
    wait_until(lambda: len(visitors.answers) > 50, "they visit")
    victim.kill()
    killed = time.monotonic()
    first.wait_for_line(lambda line: line.get("message") == "session store node down")
    wait_until(lambda: cluster.ranges(replica), "the replica is promoted", 60)
    promoted = time.monotonic()
    wait_until(lambda: [answer.status_code for answer in visitors.answers[-24:]] == [200] * 24, "sessions go on", 10)
    print(f"promoted after {promoted - killed:.2f} s, all sessions go on {time.monotonic() - promoted:.2f} s later")
    time.sleep(MEMORY)
    answers = visitors.end()
    assert all(good(answer) for answer in answers), statuses(answers)
    assert answers[-1].status_code == 200
    assert [ask(node, shown(person)).status_code for node in pair for person in people] == [200] * 24
    assert replica.sessions() == held
    users(light, first, 6)
    victim.start()
    wait_until(cluster.is_whole, "the old one follows", 60)
    assert [ask(node, shown(person)).status_code for node in pair for person in people] == [200] * 24


def test_slots_that_move_under_load_lose_no_session(pair, cluster, light):
    """Sessions move from one master to another that had nothing, while their users ask, sign out and log in: none is lost, none comes
    back, and nobody sees an error."""
    first, second = pair
    new = cluster.server("added").start()
    assert new.ask("CLUSTER", "SET-CONFIG-EPOCH", "7") == b"OK"
    cluster.meet(new)
    cluster.servers.append(new)
    wait_until(lambda: all(len(cluster.nodes(server)) == 7 for server in cluster.servers), "they know each other", 60)
    wait_until(cluster.is_whole, "the new one serves", 60)
    people, leavers = users(light, first, 12), users(light, first, 3)
    visitors = Visitors(second, people)
    slots = sorted({cluster.slot(key) for key in cluster.sessions()})
    moving = threading.Thread(target=lambda: [cluster.migrate(slot, cluster.owner(slot), new) for slot in slots])
    moving.start()
    late = users(light, first, 3)
    gone = [shown(person) for person in leavers]
    assert [sign_out(first, fields).status_code for fields in gone] == [303] * 3
    moving.join()
    time.sleep(MEMORY)
    answers = visitors.end()
    assert statuses(answers) == {200: len(answers)} and len(answers) > 100
    assert [ask(node, shown(person)).status_code for node in pair for person in people + late] == [200] * 30
    assert {ask(node, fields).status_code for node in pair for fields in gone} == {401}
    assert len(cluster.sessions()) == 15 and len(new.sessions()) >= 12


def test_a_slot_on_its_way_serves_on_both_sides(pair, cluster, light):
    """ASK: between the beginning and the end of a move, what lies here and what lies there already are both found, renewed and ended."""
    first, _ = pair
    people = users(light, first, 4)
    for person, key in zip(people, cluster.sessions()):
        slot = cluster.slot(key)
        source = cluster.owner(slot)
        target = next(master for master in cluster.masters if master is not source)
        assert target.ask("CLUSTER", "SETSLOT", str(slot), "IMPORTING", cluster.name(source)) == b"OK"
        assert source.ask("CLUSTER", "SETSLOT", str(slot), "MIGRATING", cluster.name(target)) == b"OK"
        assert source.ask("MIGRATE", "127.0.0.1", str(target.port), key, "0", "5000") == b"OK"
    time.sleep(MEMORY)
    assert [ask(node, shown(person)).status_code for node in pair for person in people] == [200] * 8
    users(light, first, 4)
    for person in people:
        assert sign_out(first, shown(person)).status_code == 303
    time.sleep(MEMORY)
    assert {ask(node, shown(person)).status_code for node in pair for person in people} == {401}


def test_without_the_cluster_sessions_are_503_and_never_a_login(pair, cluster, light):
    """D15: all of it is down: 503 with `Retry-After`, no login, no logout; and back when it is back."""
    first, _ = pair
    people = users(light, first, 4)
    for server in cluster.servers:
        server.kill()
    first.wait_for_line(lambda line: line.get("message") == "session store down")
    time.sleep(MEMORY)
    for person in people:
        began = time.monotonic()
        answer = ask(first, shown(person))
        assert answer.status_code == 503 and good(answer) and time.monotonic() - began < 1
    assert light().open(first.url).status_code == 503
    for server in cluster.servers:
        server.start()
    wait_until(cluster.is_whole, "the cluster is back", 60)
    began = time.monotonic()
    wait_until(lambda: [ask(first, shown(person)).status_code for person in people] == [200] * 4, "sessions go on", 10)
    print(f"sessions go on {time.monotonic() - began:.2f} s after the cluster is whole")
    assert time.monotonic() - began < 3


def test_a_sign_out_is_not_undone_by_a_failover(pair, cluster, light):
    """S4: the replica heard nothing of the sign-out when its master died; the gateway tells it, and the copy of the cookie opens nothing."""
    first, other = pair
    people = users(light, first, 8)
    cluster.settle()
    victim = next(master for master in cluster.masters if master.sessions())
    replica, held = cluster.replica(victim), victim.sessions()
    # Nothing reaches the replica any more.
    replica.hang()
    assert victim.ask("CLIENT", "KILL", "TYPE", "replica") == 1
    fields = [shown(person) for person in people]
    assert [sign_out(first, each).status_code for each in fields] == [303] * 8
    assert victim.sessions() == []
    victim.kill()
    replica.go_on()
    assert set(held) <= set(replica.keys()), "the replica did not hear of it"
    wait_until(lambda: cluster.ranges(replica), "the replica is promoted", 60)
    wait_until(lambda: replica.sessions() == [], "what was ended is ended here too", 10)
    time.sleep(MEMORY)
    wait_until(lambda: {ask(node, each).status_code for node in pair for each in fields} == {401}, "and for everybody", 10)


def test_with_tls_and_a_password(start, upstream, issuer, tmp_path, light):
    """`rediss+cluster`: every server has to prove the address that the cluster names it by, and is told the password behind that alone;
    Kong's record says the same."""
    authority, stranger = Authority("cluster"), Authority("stranger")
    (tmp_path / "ca.pem").write_text(authority.cert)
    (tmp_path / "other.pem").write_text(stranger.cert)
    (tmp_path / "tls").mkdir()
    cert, key = authority.sign("127.0.0.1").files(tmp_path / "tls")
    made = Cluster(tmp_path / "c", password="word-of-redis", tls=(
        "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no",
        "--tls-ca-cert-file", str(tmp_path / "ca.pem"))).start()
    try:
        gatehouse = start(configuration(upstream, issuer), GATEHOUSE_TRUSTED_CA_FILE=str(tmp_path / "ca.pem"),
                          GATEHOUSE_SESSION_STORE=made.url)
        people = users(light, gatehouse, 6)
        assert [ask(gatehouse, shown(person)).status_code for person in people] == [200] * 6
        record = {"password": "word-of-redis", "ssl": True, "cluster_max_redirections": 3, "cluster_nodes": [
            {"ip": "127.0.0.1", "port": server.tls_port} for server in made.servers[:2]]}
        kong = start(configuration(upstream, issuer, session_storage="redis", redis=record),
                     GATEHOUSE_TRUSTED_CA_FILE=str(tmp_path / "ca.pem"))
        users(light, kong, 3)
        assert len(made.sessions()) == 9
        for url, authorities, reason in (
                (made.url, "other.pem", "refused-tls"),
                (made.url.replace("word-of-redis", "wrong-word"), "ca.pem", "refused-wrongpass")):
            refused = start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=url,
                            GATEHOUSE_TRUSTED_CA_FILE=str(tmp_path / authorities))
            line = refused.wait_for_line(lambda line: line.get("message") == "session store down")
            assert line["reason"] == reason, line
            assert light().open(refused.url).status_code == 503
            assert "word" not in refused.text().replace("password", "")
    finally:
        made.stop()


def test_a_server_that_is_part_of_no_cluster_is_said_to_be_none(start, upstream, issuer, redis: Redis, light):
    gatehouse = start(configuration(upstream, issuer), GATEHOUSE_SESSION_STORE=f"redis+cluster://127.0.0.1:{redis.port}")
    line = gatehouse.wait_for_line(lambda line: line.get("message") == "session store down")
    assert line["reason"] == "not-a-cluster"
    assert light().open(gatehouse.url).status_code == 503
