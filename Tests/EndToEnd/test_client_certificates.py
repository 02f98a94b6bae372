"""Certificates of clients: who is asked for one, and which requests came by the wrong connection."""
import re
import subprocess

import pytest

from support.certificates import Authority
from support.gatehouse import plugin, route, run, service
from support.handshakes import Handshake, client_context
from support.processes import free_port

ASKS = plugin("tls-handshake-modifier")


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def serve(start, upstream, authority):
    """Starts the program with a TLS listener and one certificate for all names."""

    def begin(*routes: dict, words: str = "ssl http2", **more):
        plain, port = free_port(), free_port()
        environment = {key: value for key, value in more.items() if key.startswith("GATEHOUSE_")}
        entities = {key: value for key, value in more.items() if key not in environment}
        certificate = authority.sign("asks.example", "*.example", "localhost").entity("*")
        gatehouse = start(
            {"services": [service(upstream.url, *routes)], "certificates": [certificate], **entities}, plain,
            GATEHOUSE_PROXY_LISTEN=f"127.0.0.1:{plain}, 127.0.0.1:{port} {words}", **environment)
        gatehouse.tls_port = port
        return gatehouse

    return begin


def two_names(serve, **more):
    return serve(route("asks", "/", hosts=["asks.example"], plugins=[ASKS]),
                 route("plain", "/", hosts=["plain.example", "other.example"]), **more)


def is_asked(gatehouse, name: str | None, *flags: str) -> bool:
    """Whether openssl's client is asked for a certificate."""
    naming = ["-servername", name] if name else ["-noservername"]
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{gatehouse.tls_port}", *naming, *flags],
        input="", capture_output=True, text=True, timeout=20)
    assert "Cipher is (NONE)" not in done.stdout, done.stdout + done.stderr
    return re.search(r"^Requested Signature Algorithms|^Client Certificate Types", done.stdout, re.M) is not None


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def curl(gatehouse, url: str, *flags: str, names=("asks.example", "plain.example", "other.example")) -> str:
    resolve = [part for name in names for part in ("--resolve", f"{name}:{gatehouse.tls_port}:127.0.0.1")]
    return subprocess.run(
        ["curl", "-sSk", "--noproxy", "*", "--max-time", "15", *resolve, *flags, url], capture_output=True,
        text=True).stdout


# Who is asked

@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_names_of_routes_with_the_plugin_ask_and_others_do_not(serve, version):
    gatehouse = two_names(serve)
    assert is_asked(gatehouse, "asks.example", version) and is_asked(gatehouse, "ASKS.example", version)
    for name in ("plain.example", "nobody.example", None):
        assert not is_asked(gatehouse, name, version), name


def test_a_route_without_hosts_makes_everybody_ask(serve):
    gatehouse = serve(route("all", "/", plugins=[ASKS]))
    for name in ("asks.example", "plain.example", None):
        assert is_asked(gatehouse, name)


def test_a_reload_begins_and_ends_to_ask(serve):
    gatehouse = two_names(serve)
    before = gatehouse.file.read_text()
    gatehouse.write(before.replace("tls-handshake-modifier", "correlation-id"))
    assert run("reload", "--data-dir", str(gatehouse.folder / "data")).returncode == 0
    assert not is_asked(gatehouse, "asks.example")
    gatehouse.write(before)
    assert run("reload", "--data-dir", str(gatehouse.folder / "data")).returncode == 0
    assert is_asked(gatehouse, "asks.example")


def test_whoever_has_none_passes_all_the_same(serve):
    gatehouse = two_names(serve)
    with Handshake(gatehouse.tls_port, "asks.example") as client:
        assert status(client.get(host="asks.example")) == 200


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_any_certificate_is_taken_by_the_handshake(serve, tmp_path, version):
    import ssl
    gatehouse = two_names(serve)
    for begins, ends in ((0, 30), (-10, -1), (5, 30)):
        stranger = Authority("A Stranger").sign("client", begins=begins, ends=ends)
        context = client_context(oldest=ssl.TLSVersion[version], newest=ssl.TLSVersion[version])
        context.load_cert_chain(*stranger.files(tmp_path))
        with Handshake(gatehouse.tls_port, "asks.example", context=context) as client:
            assert status(client.get(host="asks.example")) == 200


# The wrong connection

@pytest.mark.parametrize("name, host, expected", [
    ("asks.example", "asks.example", 200), ("plain.example", "plain.example", 200),
    # Made under a looser policy, by another name or by none.
    ("plain.example", "asks.example", 421), ("nobody.example", "asks.example", 421), (None, "asks.example", 421),
    ("plain.example", "ASKS.example", 421), ("plain.example", "asks.example.", 421),
    # Under a stricter one: whom it was shown to is not whom the request is for.
    ("asks.example", "plain.example", 421), ("asks.example", "127.0.0.1", 421),
    # Under an equal one.
    ("plain.example", "other.example", 200), (None, "plain.example", 200), ("other.example", "nobody.example", 404)])
def test_a_request_comes_by_a_connection_of_its_policy(serve, name, host, expected):
    gatehouse = two_names(serve)
    with Handshake(gatehouse.tls_port, name) as client:
        answer = client.get("/x", host=host)
        assert status(answer) == expected, answer
        if expected == 421:
            assert b'"message":"Misdirected Request"' in answer
            assert gatehouse.refusals("misdirected-request") == 1
            # The connection itself is as good as before.
            right = "asks.example" if name == "asks.example" else "plain.example"
            assert status(client.get("/x", host=right)) == 200


def test_an_absolute_target_counts_and_not_the_field(serve):
    gatehouse = two_names(serve)
    with Handshake(gatehouse.tls_port, "plain.example") as client:
        assert status(client.get("https://asks.example/x", host="plain.example")) == 421


def test_a_connection_without_tls_is_not_misdirected(serve):
    gatehouse = two_names(serve)
    done = curl(gatehouse, gatehouse.url + "/x", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Host: asks.example")
    assert done == "200"


def test_a_stream_of_http2_comes_by_a_connection_of_its_policy(serve):
    gatehouse = two_names(serve)
    at = f"https://plain.example:{gatehouse.tls_port}/x"
    code = ["--http2", "-o", "/dev/null", "-w", "%{http_version} %{http_code}"]
    assert curl(gatehouse, at, *code) == "2 200"
    assert curl(gatehouse, at, *code, "-H", "Host: asks.example") == "2 421"
    assert curl(gatehouse, at.replace("plain", "asks"), *code) == "2 200"
    assert curl(gatehouse, at.replace("plain", "asks"), *code, "-H", "Host: plain.example") == "2 421"


def test_a_reload_that_begins_to_ask_misdirects_old_connections(serve):
    gatehouse = two_names(serve)
    with Handshake(gatehouse.tls_port, "plain.example") as client:
        assert status(client.get("/x", host="plain.example")) == 200
        gatehouse.write(gatehouse.file.read_text().replace("- plain.example", "- nobody.example").replace(
            "- asks.example", "- plain.example"))
        assert run("reload", "--data-dir", str(gatehouse.folder / "data")).returncode == 0
        assert status(client.get("/x", host="plain.example")) == 421
    with Handshake(gatehouse.tls_port, "plain.example") as client:
        assert status(client.get("/x", host="plain.example")) == 200
