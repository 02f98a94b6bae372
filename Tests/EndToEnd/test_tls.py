"""TLS towards clients: certificates by name, versions, resumption, reloads, and what is refused."""
import re
import socket
import ssl
import subprocess
import threading

import pytest

from support.certificates import Authority
from support.gatehouse import plugin, route, run, service
from support.handshakes import Handshake, client_context
from support.processes import free_port, wait_until


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def serve(start, upstream):
    """Starts the program with a TLS listener beside the plain one, and certificates."""

    def begin(*certificates: dict, words: str = "ssl", api: dict | None = None, **environment):
        port = free_port()
        plain = free_port()
        configuration = {
            "services": [service(upstream.url, api or route("api", "/"))], "certificates": list(certificates)}
        gatehouse = start(
            configuration, plain,
            GATEHOUSE_PROXY_LISTEN=f"127.0.0.1:{plain}, 127.0.0.1:{port} {words}", **environment)
        gatehouse.tls_port, gatehouse.configuration = port, configuration
        return gatehouse

    return begin


def curl(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(["curl", "-sS", "--noproxy", "*", "--max-time", "10", *arguments],
                          capture_output=True, text=True)


# Names

def test_routes_with_snis_are_reached_by_the_name_of_the_handshake_alone(serve, authority):
    """Whatever the request says: the connection's name counts, for each stream of HTTP/2 as well."""
    gatehouse = serve(
        authority.sign("*.example").entity("*.example", "*"), words="ssl http2",
        api={"name": "one", "snis": ["one.example"], "paths": ["/"], "protocols": ["https"]})
    for name, host, status in [
            ("one.example", "one.example", 200), ("ONE.example", "two.example", 200), ("one.example", "localhost", 200),
            # A connection of the host's own would find the route: 421 asks for it (RFC 9110 §15.5.20).
            ("two.example", "one.example", 421), (None, "ONE.example.", 421),
            # No name in a handshake would, that a client of this host sends.
            ("two.example", "two.example", 404), ("two.example", "three.example", 404), (None, "two.example", 404)]:
        with Handshake(gatehouse.tls_port, name) as client:
            for _ in range(2):
                assert client.get(host=host).startswith(b"HTTP/1.1 %d" % status), (name, host)
    at = ["-k", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", "--http2"]
    for name, host, said in [("one", "two", "2 200"), ("two", "one", "2 421"), ("two", "three", "2 404")]:
        url = f"https://{name}.example:{gatehouse.tls_port}/"
        done = curl(*at, "--resolve", f"{name}.example:{gatehouse.tls_port}:127.0.0.1", "-H", f"Host: {host}.example", url)
        assert done.stdout == said, done
    # In words, for every reader; the connection is as good as before.
    with Handshake(gatehouse.tls_port, "two.example") as client:
        assert b'"message":"Misdirected Request"' in client.get(host="one.example")
        assert client.get(host="two.example").startswith(b"HTTP/1.1 404")
    assert gatehouse.refusals("misdirected-request") == 6
    # A client without TLS is shown the way.
    assert curl("-o", "/dev/null", "-w", "%{http_code}", gatehouse.url).stdout == "426"
    told = run("explain", "--config", str(gatehouse.file), "--request", "GET https://one.example/")
    assert '"one"' in told.stdout, told
    assert "no-route" in run("explain", "--config", str(gatehouse.file), "--request", "GET https://two.example/").stdout


def test_streams_of_one_connection_are_told_apart_by_their_hosts(serve, authority):
    """One connection of HTTP/2, as a browser uses it for all names of a certificate: each stream is judged by itself."""
    gatehouse = serve(
        authority.sign("*.example").entity("*"), words="ssl http2",
        api={"name": "one", "snis": ["one.example"], "hosts": ["one.example"], "paths": ["/"], "protocols": ["https"]})
    route = {"name": "two", "snis": ["two.example"], "hosts": ["two.example"], "paths": ["/"], "protocols": ["https"]}
    gatehouse.configuration["services"][0]["routes"].append(route)
    gatehouse.write(gatehouse.configuration)
    assert reload(gatehouse).returncode == 0
    at, said = f"https://one.example:{gatehouse.tls_port}/", ["-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n"]
    resolve = ["--resolve", f"one.example:{gatehouse.tls_port}:127.0.0.1"]
    requests = [["-k", *resolve, *said, "-H", f"Host: {host}.example", at, "--next"] for host in ("one", "two", "three", "one")]
    done = curl(*[part for request in requests for part in request][:-1])
    assert done.stdout.split("\n")[:4] == ["200 1", "421 0", "404 0", "200 0"], done


def test_a_trusted_proxy_that_ended_tls_leads_to_no_route_with_snis(serve, authority):
    gatehouse = serve(
        authority.sign("one.example").entity("one.example"), GATEHOUSE_TRUSTED_IPS="127.0.0.1",
        api={"name": "one", "snis": ["one.example"], "paths": ["/"], "protocols": ["https"]})
    done = curl("-o", "/dev/null", "-w", "%{http_code}", "-H", "X-Forwarded-Proto: https", "-H", "Host: one.example", gatehouse.url)
    assert done.stdout == "404"


def test_each_name_gets_its_certificate(serve, authority):
    one, wild, tail, other = (authority.sign(name) for name in ("one.example", "*.example", "tail.x", "default"))
    gatehouse = serve(one.entity("one.example"), wild.entity("*.example"), tail.entity("tail.*"), other.entity("*"))
    expected = {
        "one.example": one, "ONE.Example": one, "two.example": wild, "a.two.example": other, "tail.test": tail,
        "localhost": other, None: other}
    for name, certificate in expected.items():
        with Handshake(gatehouse.tls_port, name) as client:
            assert client.serial == certificate.serial, name
            assert client.get().startswith(b"HTTP/1.1 200")


def test_a_name_without_certificate_is_refused_and_told_so(serve, authority):
    gatehouse = serve(authority.sign("one.example").entity("one.example"))
    for name in ("two.example", "one.example.org", "sub.one.example", None):
        with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
            Handshake(gatehouse.tls_port, name)
    assert gatehouse.metric("gatehouse_connections_dropped_total", reason="unknown-name") == 4


def test_the_settings_certificate_serves_the_other_names(serve, authority, tmp_path):
    own, general = authority.sign("one.example"), authority.sign("general")
    cert, key = general.files(tmp_path)
    gatehouse = serve(own.entity("one.example"), GATEHOUSE_SSL_CERT=cert, GATEHOUSE_SSL_CERT_KEY=key)
    with Handshake(gatehouse.tls_port, "one.example") as client:
        assert client.serial == own.serial
    with Handshake(gatehouse.tls_port, "two.example") as client:
        assert client.serial == general.serial


def test_flat_names_belong_to_their_certificate(serve, authority):
    signed = authority.sign("one.example")
    entity = {"id": "6ab90e84-52ea-4b21-8e4a-3a1a2b1a9a5c", "cert": signed.cert, "key": signed.key}
    gatehouse = serve(authority.sign("two.example").entity("two.example"), entity)
    gatehouse.write({**gatehouse.configuration, "snis": [{"name": "one.example", "certificate": entity["id"]}]})
    assert reload(gatehouse).returncode == 0
    with Handshake(gatehouse.tls_port, "one.example") as client:
        assert client.serial == signed.serial


def test_clients_get_the_kind_of_key_that_they_take(serve, authority):
    rsa, elliptic = authority.sign("one.example", kind="rsa"), authority.sign("one.example")
    gatehouse = serve({**rsa.entity("one.example"), "cert_alt": elliptic.cert, "key_alt": elliptic.key})
    with Handshake(gatehouse.tls_port, "one.example") as client:
        assert client.serial == elliptic.serial
    old = {"newest": ssl.TLSVersion.TLSv1_2}
    with Handshake(gatehouse.tls_port, "one.example", ciphers="ECDHE-RSA-AES128-GCM-SHA256", **old) as client:
        assert client.serial == rsa.serial
    with Handshake(gatehouse.tls_port, "one.example", ciphers="ECDHE-ECDSA-AES128-GCM-SHA256", **old) as client:
        assert client.serial == elliptic.serial


# What is spoken

def test_the_chain_is_verified_by_curl(serve, authority, tmp_path):
    gatehouse = serve(authority.sign("one.example").entity("one.example"))
    (tmp_path / "ca.pem").write_text(authority.cert)
    to = ["--cacert", str(tmp_path / "ca.pem"), "--connect-to", f"::127.0.0.1:{gatehouse.tls_port}"]
    good = curl("-i", *to, "https://one.example/x")
    assert good.stdout.startswith("HTTP/1.1 200"), good.stderr
    assert curl(*to, "https://two.example/x").returncode in (35, 60)


def test_the_upstream_hears_https_and_the_listeners_port(serve, upstream, authority):
    gatehouse = serve(authority.sign("localhost").entity("localhost"))
    with Handshake(gatehouse.tls_port, "localhost") as client:
        client.get("/x")
    assert upstream.last.first("X-Forwarded-Proto") == "https"
    assert upstream.last.first("X-Forwarded-Port") == str(gatehouse.tls_port)


def test_a_route_for_https_alone_takes_tls_and_redirects_the_rest(serve, authority):
    only = route("api", "/", protocols=["https"], https_redirect_status_code=301)
    gatehouse = serve(authority.sign("localhost").entity("localhost"), api=only)
    with Handshake(gatehouse.tls_port, "localhost") as client:
        assert client.get("/x").startswith(b"HTTP/1.1 200")
    assert curl("-o", "/dev/null", "-w", "%{http_code}", gatehouse.url + "/x").stdout == "301"


@pytest.mark.parametrize("version, good", [("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)])
def test_versions(serve, authority, version, good):
    gatehouse = serve(authority.sign("localhost").entity("*"))
    done = s_client(gatehouse.tls_port, version, "-cipher", "DEFAULT:@SECLEVEL=0")
    assert ("Verify return code" in done and "Cipher is (NONE)" not in done) == good, done


@pytest.mark.parametrize("settings, refused", [
    ({"GATEHOUSE_SSL_PROTOCOLS": "TLSv1.3"}, "-tls1_2"), ({"GATEHOUSE_SSL_CIPHER_SUITE": "modern"}, "-tls1_2"),
    ({"GATEHOUSE_SSL_PROTOCOLS": "TLSv1.2"}, "-tls1_3")])
def test_settings_narrow_the_versions(serve, authority, settings, refused):
    gatehouse = serve(authority.sign("localhost").entity("*"), **settings)
    assert "Cipher is (NONE)" in s_client(gatehouse.tls_port, refused)
    other = {"-tls1_2": "-tls1_3", "-tls1_3": "-tls1_2"}[refused]
    assert "Cipher is (NONE)" not in s_client(gatehouse.tls_port, other)


@pytest.mark.parametrize("cipher", ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "AES128-GCM-SHA256"])
def test_suites_without_forward_secrecy_or_authenticated_encryption_are_refused(serve, authority, cipher):
    gatehouse = serve(authority.sign("localhost", kind="rsa").entity("*"))
    assert "Cipher is (NONE)" in s_client(gatehouse.tls_port, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")


def test_renegotiation_is_refused(serve, authority):
    gatehouse = serve(authority.sign("localhost").entity("*"))
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{gatehouse.tls_port}", "-tls1_2"],
        input="R\n", capture_output=True, text=True, timeout=20)
    assert "RENEGOTIATING" in done.stdout + done.stderr
    assert re.search(r"no.renegotiation|ssl handshake failure|unexpected|alert", done.stdout + done.stderr, re.I)


@pytest.mark.parametrize("words, agreed", [("ssl", "http/1.1"), ("ssl http2", "h2")])
def test_what_is_spoken_is_agreed_on(serve, authority, words, agreed):
    gatehouse = serve(authority.sign("localhost").entity("*"), words=words)
    with Handshake(gatehouse.tls_port, "localhost", alpn=["h2", "http/1.1"]) as client:
        assert client.socket.selected_alpn_protocol() == agreed
    version = curl("-k", "-o", "/dev/null", "-w", "%{http_version} %{http_code}",
                   f"https://localhost:{gatehouse.tls_port}/x").stdout
    assert version == {"h2": "2 200", "http/1.1": "1.1 200"}[agreed]


def test_the_upstream_of_http2_hears_https(serve, upstream, authority):
    gatehouse = serve(authority.sign("localhost").entity("*"), words="ssl http2")
    assert curl("-k", f"https://localhost:{gatehouse.tls_port}/x").returncode == 0
    assert upstream.last.first("X-Forwarded-Proto") == "https"


# Sessions

@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed_by_its_name_alone(serve, authority, version):
    gatehouse = serve(
        authority.sign("one.example").entity("one.example"), authority.sign("two.example").entity("two.example"))
    context = client_context(oldest=version, newest=version)

    def shake(name, session=None) -> tuple:
        with Handshake(gatehouse.tls_port, name, session=session, context=context) as client:
            client.get()
            return client.socket.session, client.socket.session_reused

    session, _ = shake("one.example")
    assert shake("one.example", session)[1]
    # It goes on after a reload that leaves the certificate as it is, and nowhere else.
    assert reload(gatehouse).returncode == 0
    assert shake("one.example", session)[1]
    assert not shake("two.example", session)[1]


# Reloads and restarts

def reload(gatehouse):
    return run("reload", "--data-dir", str(gatehouse.folder / "data"))


def test_certificates_change_under_load_and_no_handshake_fails(serve, authority):
    """30 reloads, each with another certificate, beside handshakes and a connection that is kept."""
    signed = [authority.sign("one.example") for _ in range(30)]
    gatehouse = serve(signed[0].entity("one.example"))
    seen, failures, stop = set(), [], threading.Event()

    def shake():
        while not stop.is_set():
            try:
                with Handshake(gatehouse.tls_port, "one.example", authority.cert) as client:
                    assert client.get().startswith(b"HTTP/1.1 200")
                    seen.add(client.serial)
            except Exception as error:
                failures.append(repr(error))

    kept = Handshake(gatehouse.tls_port, "one.example")
    threads = [threading.Thread(target=shake) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for certificate in signed[1:]:
            gatehouse.configuration["certificates"] = [certificate.entity("one.example")]
            gatehouse.write(gatehouse.configuration)
            assert reload(gatehouse).returncode == 0
            assert kept.get().startswith(b"HTTP/1.1 200")
            wait_until(lambda: certificate.serial in seen, "the new certificate is shown")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert kept.serial == signed[0].serial
    kept.close()


def test_the_settings_files_are_read_anew(serve, authority, tmp_path):
    older, newer = authority.sign("a"), authority.sign("a")
    cert, key = older.files(tmp_path)
    gatehouse = serve(GATEHOUSE_SSL_CERT=cert, GATEHOUSE_SSL_CERT_KEY=key)
    with Handshake(gatehouse.tls_port) as client:
        assert client.serial == older.serial
    open(cert, "w").write(newer.cert)
    assert reload(gatehouse).returncode == 1, "the key is the older one's"
    with Handshake(gatehouse.tls_port) as client:
        assert client.serial == older.serial
    open(key, "w").write(newer.key)
    assert reload(gatehouse).returncode == 0
    with Handshake(gatehouse.tls_port) as client:
        assert client.serial == newer.serial


def test_a_restart_hands_the_listener_over(serve, authority):
    gatehouse = serve(authority.sign("localhost").entity("*"))
    failures, count, stop = [], [0], threading.Event()

    def shake():
        while not stop.is_set():
            try:
                with Handshake(gatehouse.tls_port, "localhost") as client:
                    assert client.get(close=True).startswith(b"HTTP/1.1 200")
                    count[0] += 1
            except Exception as error:
                failures.append(repr(error))

    threads = [threading.Thread(target=shake) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        before = count[0]
        assert gatehouse.succeed().wait(40) == 0
        wait_until(lambda: count[0] > before + 20 or failures, "handshakes go on")
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == [] and count[0] > 40


# What is no TLS, and what is slow

def test_plain_http_on_the_port_is_400(serve, authority):
    gatehouse = serve(authority.sign("localhost").entity("*"))
    answer = curl("-i", f"http://127.0.0.1:{gatehouse.tls_port}/")
    assert answer.stdout.startswith("HTTP/1.1 400") and "HTTPS" in answer.stdout
    assert gatehouse.metric("gatehouse_connections_dropped_total", reason="not-tls") == 1


@pytest.mark.parametrize("octets", [
    b"\x00" * 64, b"\xff" * 2000, b"\x16\x02\x00\x00\x10" + b"x" * 16, b"\x16\x03\x01\x00\x00", b"SSH-2.0-x\r\n",
    b"\x16\x03\x01\x00\x04\x01\xff\xff\xff", b"\x15\x03\x01\x00\x02\x02\x28", b"\x80\x2e\x01\x03\x01"])
def test_garbage_closes_the_connection(serve, authority, octets):
    gatehouse = serve(authority.sign("localhost").entity("*"))
    with socket.create_connection(("127.0.0.1", gatehouse.tls_port), timeout=10) as client:
        client.sendall(octets)
        try:
            while client.recv(4096):
                pass
        except ConnectionResetError:
            pass
    wait_until(lambda: gatehouse.metric("gatehouse_connections") == 0, "the connection is gone")
    with Handshake(gatehouse.tls_port, "localhost") as client:
        assert client.get().startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("begun", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
def test_who_does_not_shake_hands_in_time_is_let_go(serve, authority, begun):
    gatehouse = serve(authority.sign("localhost").entity("*"), GATEHOUSE_LIMIT_HEAD_SECONDS="1")
    with socket.create_connection(("127.0.0.1", gatehouse.tls_port), timeout=10) as client:
        client.sendall(begun)
        assert client.recv(10) == b""
    assert gatehouse.metric("gatehouse_connections_dropped_total", reason="timed-out") == 1


def test_a_client_counts_from_its_first_octet(serve, authority):
    gatehouse = serve(authority.sign("localhost").entity("*"), GATEHOUSE_LIMIT_CONNECTIONS_PER_ADDRESS="1")
    with socket.create_connection(("127.0.0.1", gatehouse.tls_port), timeout=10):
        wait_until(lambda: gatehouse.metric("gatehouse_connections") == 1, "the first is in")
        with pytest.raises((ConnectionError, ssl.SSLError, OSError)):
            Handshake(gatehouse.tls_port, "localhost")
    wait_until(lambda: gatehouse.metric("gatehouse_connections") == 0, "the first is gone")
    with Handshake(gatehouse.tls_port, "localhost") as client:
        assert client.get().startswith(b"HTTP/1.1 200")
        assert client.get().startswith(b"HTTP/1.1 200")
        assert gatehouse.metric("gatehouse_connections") == 1


# Ends

def test_an_answer_that_closes_ends_with_close_notify(serve, authority):
    gatehouse = serve(authority.sign("localhost").entity("*"))
    with Handshake(gatehouse.tls_port, "localhost") as client:
        client.socket.suppress_ragged_eofs = False
        assert client.get(close=True).startswith(b"HTTP/1.1 200")
        assert client.socket.recv(10) == b""


def test_a_large_answer_is_whole(serve, authority):
    gatehouse = serve(authority.sign("localhost").entity("*"))
    with Handshake(gatehouse.tls_port, "localhost") as client:
        answer = client.get("/x?size=5000000")
    assert len(answer.partition(b"\r\n\r\n")[2]) == 5_000_000


def test_an_answer_cut_off_does_not_look_whole(serve, authority):
    """X18: no close_notify, so that even a body that ends with the connection is seen to be broken."""
    gatehouse = serve(authority.sign("localhost").entity("*"))
    with Handshake(gatehouse.tls_port, "localhost") as client:
        client.socket.suppress_ragged_eofs = False
        client.socket.sendall(b"GET /x?cut=1 HTTP/1.0\r\nHost: localhost\r\n\r\n")
        with pytest.raises((ConnectionError, ssl.SSLEOFError)):
            while client.socket.recv(4096):
                pass


def test_a_session_cookie_is_bound_to_https(serve, authority, issuer):
    login = route("api", "/", plugins=[plugin("openid-connect", issuer=issuer.url, client_id=["app"],
                                              client_secret=["secret-for-the-tls-test"], auth_methods=["authorization_code"])])
    gatehouse = serve(authority.sign("localhost").entity("*"), api=login)
    with Handshake(gatehouse.tls_port, "localhost") as client:
        answer = client.get("/x", f"localhost:{gatehouse.tls_port}\r\nAccept: text/html").decode()
    assert answer.startswith("HTTP/1.1 302"), answer
    assert re.search(r"(?im)^set-cookie: __(host|secure)-[^\r]*;\s*secure", answer), answer
    assert f"redirect_uri=https%3A%2F%2Flocalhost%3A{gatehouse.tls_port}" in answer


# Wrong configurations

def wrong(tmp_path, configuration: dict, *flags: str) -> str:
    import yaml
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump({"_format_version": "3.0", **configuration}, sort_keys=False))
    done = run("check", str(file), *flags)
    assert done.returncode == 1, done.stdout
    return done.stdout


def test_wrong_certificates_are_told_with_their_place(tmp_path, authority):
    one, two = authority.sign("one.example"), authority.sign("two.example")
    mixed = {"cert": one.cert, "key": two.key}
    assert "the key does not belong to the certificate" in wrong(tmp_path, {"certificates": [mixed]})
    assert "expected a certificate in PEM" in wrong(tmp_path, {"certificates": [{"cert": "x", "key": one.key}]})
    assert "expected a private key in PEM" in wrong(tmp_path, {"certificates": [{"cert": one.cert, "key": "x"}]})
    alike = {**one.entity(), "cert_alt": two.cert, "key_alt": two.key}
    assert "of another kind" in wrong(tmp_path, {"certificates": [alike]})
    assert "go together" in wrong(tmp_path, {"certificates": [{**one.entity(), "cert_alt": two.cert}]})
    twice = {"certificates": [one.entity("a.example"), two.entity("A.example")]}
    assert "'a.example' is already there" in wrong(tmp_path, twice)
    assert "is no host name" in wrong(tmp_path, {"certificates": [one.entity("a.*.example")]})
    assert "is no host name" in wrong(tmp_path, {"certificates": [one.entity("a.example:443")]})
    stray = {"snis": [{"name": "a", "certificate": "nobody"}]}
    assert "there is no certificate 'nobody'" in wrong(tmp_path, stray)
    assert "expected a certificate in PEM" in wrong(tmp_path, {"ca_certificates": [{"cert": "x"}]})


def test_a_listener_without_any_certificate_does_not_start(tmp_path):
    said = wrong(tmp_path, {"services": []}, "--proxy-listen", "127.0.0.1:8443 ssl")
    assert "no name has a certificate" in said


def s_client(port: int, *flags: str) -> str:
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", *flags],
                          input="", capture_output=True, text=True, timeout=20)
    return done.stdout + done.stderr
