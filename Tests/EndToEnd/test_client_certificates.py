"""Certificates of clients: who is asked for one, which requests came by the wrong connection, what they prove."""
import re
import ssl
import subprocess
import urllib.parse

import pytest
import yaml
from cryptography.hazmat.primitives import hashes, serialization

from support.certificates import Authority
from support.gatehouse import ROOT, Gatehouse, plugin, route, run, service
from support.handshakes import Handshake, client_context
from support.processes import free_port, wait_until
from support.tokens import now
from support.verification import verified

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
    """P4: no name of a handshake leads to a looser policy."""
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
    """P4, in each stream."""
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


# What the upstream is told

TELLS = plugin("tls-metadata-headers", inject_client_cert_details=True)
NAMES = ["X-Client-Cert", "X-Client-Cert-Serial", "X-Client-Cert-Issuer-DN", "X-Client-Cert-Subject-DN",
         "X-Client-Cert-Fingerprint"]


def shown(signed, folder, session=None, **options) -> dict:
    """What a handshake brings that shows a certificate; `options` are the context's."""
    context = client_context(**options)
    context.load_cert_chain(*signed.files(folder))
    return {"context": context, "session": session}


def told(signed) -> dict[str, str]:
    """What an upstream hears of a certificate."""
    certificate = signed.certificate
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return {
        "X-Client-Cert": urllib.parse.quote(pem, safe=""),
        "X-Client-Cert-Serial": certificate.serial_number.to_bytes(20).lstrip(b"\0").hex().upper(),
        "X-Client-Cert-Issuer-DN": certificate.issuer.rfc4514_string(),
        "X-Client-Cert-Subject-DN": certificate.subject.rfc4514_string(),
        "X-Client-Cert-Fingerprint": certificate.fingerprint(hashes.SHA1()).hex()}


def heard(upstream) -> dict[str, str | None]:
    return {name: upstream.last.first(name) for name in NAMES}


NOTHING = dict.fromkeys(NAMES)


def test_the_upstream_is_told_of_the_certificate(serve, upstream, authority, tmp_path):
    gatehouse = serve(route("asks", "/", hosts=["asks.example"], plugins=[ASKS, TELLS]))
    signed = authority.sign("client one")
    with Handshake(gatehouse.tls_port, "asks.example", **shown(signed, tmp_path)) as client:
        for _ in range(2):
            assert status(client.get(host="asks.example")) == 200
            assert heard(upstream) == told(signed)
    done = curl(gatehouse, f"https://asks.example:{gatehouse.tls_port}/h2", "--http2", "--cert",
                signed.files(tmp_path)[0], "--key", signed.files(tmp_path)[1], "-w", "%{http_version}")
    assert done.endswith("2") and upstream.last.target == "/h2" and heard(upstream) == told(signed)


def test_no_copy_of_a_client_survives(serve, upstream, authority, tmp_path):
    """H1: neither where nothing was shown, nor on routes without the plugin."""
    gatehouse = serve(route("asks", "/", hosts=["asks.example"], plugins=[ASKS, TELLS]),
                      route("plain", "/", hosts=["plain.example"]))
    forged = "".join(f"\r\n{name}: forged" for name in NAMES)
    for name in ("asks.example", "plain.example"):
        with Handshake(gatehouse.tls_port, name) as client:
            assert status(client.get(host=name + forged)) == 200
            assert heard(upstream) == NOTHING
    signed = authority.sign("client")
    with Handshake(gatehouse.tls_port, "asks.example", **shown(signed, tmp_path)) as client:
        assert status(client.get(host="asks.example" + forged)) == 200
        assert heard(upstream) == told(signed)
    assert curl(gatehouse, gatehouse.url + "/x", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Host: asks.example", "-H",
                "X-Client-Cert: forged") == "200"
    assert heard(upstream) == NOTHING


def test_fields_have_the_names_that_are_written(serve, upstream, authority, tmp_path):
    named = plugin("tls-metadata-headers", inject_client_cert_details=True, client_cert_header_name="X-Forwarded-Cert",
                   client_serial_header_name="X-Number")
    silent = plugin("tls-metadata-headers")
    gatehouse = serve(route("asks", "/", hosts=["asks.example"], plugins=[ASKS, named]),
                      route("silent", "/", hosts=["other.example"], plugins=[ASKS, silent]))
    signed = authority.sign("client")
    with Handshake(gatehouse.tls_port, "asks.example", **shown(signed, tmp_path)) as client:
        client.get(host="asks.example")
        assert upstream.last.first("X-Forwarded-Cert") == told(signed)["X-Client-Cert"]
        assert upstream.last.first("X-Number") == told(signed)["X-Client-Cert-Serial"]
        assert upstream.last.first("X-Client-Cert") is None
    with Handshake(gatehouse.tls_port, "other.example", **shown(signed, tmp_path)) as client:
        client.get(host="other.example")
        assert upstream.last.first("X-Forwarded-Cert") is None and heard(upstream) == NOTHING


# Sessions

@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("depth", ["an authority's own", "through an intermediate"])
def test_a_resumed_session_knows_the_certificate(serve, upstream, authority, tmp_path, version, depth):
    """And what leads to its authority, so that it is proven again."""
    signer = authority if depth == "an authority's own" else authority.intermediate("Middle")
    signed = signer.sign("client")
    proves = mutual(skip_consumer_lookup=True)
    gatehouse = serve(route("asks", "/", hosts=["asks.example"], plugins=[proves, TELLS]),
                      ca_certificates=[{"id": AUTHORITY, "cert": authority.cert}])
    session = None
    for turn in range(4):
        terms = shown(signed, tmp_path, session, oldest=version, newest=version)
        if session is None:
            context = terms["context"]
        with Handshake(gatehouse.tls_port, "asks.example", context=context, session=session) as client:
            answer = client.get(host="asks.example")
            assert status(answer) == 200, answer
            assert client.socket.session_reused == (turn > 0)
            assert heard(upstream) == told(signed)
            session = session or client.socket.session


def test_a_session_of_one_name_shows_nothing_under_another(serve, upstream, authority, tmp_path):
    gatehouse = serve(route("asks", "/", hosts=["asks.example"], plugins=[ASKS, TELLS]),
                      route("plain", "/", hosts=["plain.example"], plugins=[TELLS]))
    terms = shown(authority.sign("client"), tmp_path)
    with Handshake(gatehouse.tls_port, "asks.example", **terms) as client:
        client.get(host="asks.example")
        session = client.socket.session
    with Handshake(gatehouse.tls_port, "plain.example", context=terms["context"], session=session) as client:
        assert status(client.get(host="plain.example")) == 200
        assert not client.socket.session_reused and heard(upstream) == NOTHING


# Who is proven

AUTHORITY, OTHER = "5f1d1b8c-31a2-4b86-8c7d-0c0f8f0b5a21", "5f1d1b8c-31a2-4b86-8c7d-0c0f8f0b5a22"


def mutual(**config) -> dict:
    return plugin("mtls-auth", **{"ca_certificates": [AUTHORITY], "revocation_check_mode": "SKIP", **config})


@pytest.fixture
def guarded(serve, authority):
    """A route that mtls-auth guards."""

    def begin(consumers: list | None = None, more: list | None = None, **config):
        environment = {name: config.pop(name) for name in list(config) if name.startswith("GATEHOUSE_")}
        return serve(
            route("asks", "/", hosts=["asks.example"], plugins=[mutual(**config), *(more or [])]),
            ca_certificates=[{"id": AUTHORITY, "cert": authority.cert}, {"id": OTHER, "cert": OTHER_AUTHORITY.cert}],
            consumers=consumers if consumers is not None else [{"username": "alice"}, {"custom_id": "bob-7"}],
            **environment)

    return begin


OTHER_AUTHORITY = Authority("Another Authority")


def ask(gatehouse, folder, signed=None) -> bytes:
    terms = shown(signed, folder) if signed else {}
    with Handshake(gatehouse.tls_port, "asks.example", **terms) as client:
        return client.get(host="asks.example")


def test_a_consumer_is_found_by_the_certificates_names(guarded, upstream, authority, tmp_path):
    gatehouse = guarded()
    for names, found in ((["alice"], "alice"), (["x", "alice"], "alice"), (["bob-7"], None)):
        assert status(ask(gatehouse, tmp_path, authority.sign(*names))) == 200
        assert upstream.last.first("X-Consumer-Username") == found
        assert upstream.last.first("X-Consumer-Custom-ID") == (None if found else "bob-7")
        assert upstream.last.first("X-Credential-Identifier") is None
    for names in (["carol"], ["Alice"], ["alice.example"]):
        answer = ask(gatehouse, tmp_path, authority.sign(*names))
        assert status(answer) == 401 and b'"message":"Unauthorized"' in answer
    assert gatehouse.refusals("unknown-credential") == 3


def test_a_credential_stands_for_a_name_of_its_authority(guarded, upstream, authority, tmp_path):
    consumers = [
        {"username": "alice", "mtls_auth_credentials": [
            {"id": "c-1", "subject_name": "machine.example", "ca_certificate": {"id": AUTHORITY}}]},
        {"username": "bob", "mtls_auth_credentials": [
            {"id": "c-2", "subject_name": "machine.example", "ca_certificate": {"id": OTHER}}]},
        {"username": "any", "mtls_auth_credentials": [{"id": "c-3", "subject_name": "shared.example"}]}]
    gatehouse = guarded(consumers, ca_certificates=[AUTHORITY, OTHER])
    for signer, name, consumer, credential in (
            (authority, "machine.example", "alice", "c-1"), (OTHER_AUTHORITY, "machine.example", "bob", "c-2"),
            (authority, "shared.example", "any", "c-3"), (OTHER_AUTHORITY, "shared.example", "any", "c-3")):
        assert status(ask(gatehouse, tmp_path, signer.sign(name))) == 200
        assert upstream.last.first("X-Consumer-Username") == consumer
        assert upstream.last.first("X-Credential-Identifier") == credential


@pytest.mark.parametrize("make", [
    lambda authority: OTHER_AUTHORITY.sign("alice"), lambda authority: Authority("Test Authority").sign("alice"),
    lambda authority: authority.sign("alice", begins=-10, ends=-1), lambda authority: authority.sign("alice", begins=5)],
    ids=["another authority", "another of that name", "expired", "early"])
def test_whom_nobody_vouches_for_is_refused(guarded, authority, tmp_path, make):
    gatehouse = guarded()
    answer = ask(gatehouse, tmp_path, make(authority))
    assert status(answer) == 401 and b'"message":"TLS certificate failed verification"' in answer
    assert gatehouse.refusals("untrusted-client-certificate") == 1
    assert status(ask(gatehouse, tmp_path, authority.sign("alice"))) == 200


def test_whoever_shows_nothing_is_refused(guarded, tmp_path):
    gatehouse = guarded()
    answer = ask(gatehouse, tmp_path)
    assert status(answer) == 401 and b'"message":"No required TLS certificate was sent"' in answer
    plain = curl(gatehouse, gatehouse.url + "/x", "-i", "-H", "Host: asks.example", "-H", "X-Client-Cert: forged")
    assert plain.startswith("HTTP/1.1 401") and "No required TLS certificate was sent" in plain
    assert gatehouse.refusals("no-client-certificate") == 2


def test_a_certificate_ends_within_a_connection(guarded, authority, tmp_path):
    """A verdict holds no longer than the certificate, for all that a connection goes on."""
    gatehouse = guarded(cache_ttl=3600)
    signed = authority.sign("alice", ends=6 / 86_400)
    with Handshake(gatehouse.tls_port, "asks.example", **shown(signed, tmp_path)) as client:
        assert status(client.get(host="asks.example")) == 200
        wait_until(lambda: status(client.get(host="asks.example")) == 401, "the certificate has ended", 15)


def test_a_chain_leads_through_what_the_client_sends(guarded, upstream, authority, tmp_path):
    middle = authority.intermediate("Middle")
    whole, bare = middle.sign("alice"), middle.sign("alice")
    bare.cert = bare.cert[:bare.cert.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----\n"
    gatehouse = guarded()
    assert status(ask(gatehouse, tmp_path, whole)) == 200
    assert upstream.last.first("X-Consumer-Username") == "alice"
    assert status(ask(gatehouse, tmp_path, bare)) == 401


def test_a_partial_chain_is_believed_where_that_is_written(serve, authority, tmp_path):
    middle = authority.intermediate("Middle")
    for allowed in (False, True):
        gatehouse = serve(
            route("asks", "/", hosts=["asks.example"], plugins=[mutual(allow_partial_chain=allowed)]),
            ca_certificates=[{"id": AUTHORITY, "cert": middle.cert}], consumers=[{"username": "alice"}])
        assert status(ask(gatehouse, tmp_path, middle.sign("alice"))) == (200 if allowed else 401)


def test_who_is_nobodys_or_shows_nothing_may_stand_for_somebody(guarded, upstream, authority, tmp_path):
    consumers = [{"username": name} for name in ("alice", "guest", "anybody")]
    gatehouse = guarded(consumers, anonymous="guest", default_consumer="anybody")
    for signed, name, anonymous in (
            (authority.sign("alice"), "alice", None), (authority.sign("carol"), "anybody", None),
            (None, "guest", "true"), (OTHER_AUTHORITY.sign("alice"), "guest", "true")):
        assert status(ask(gatehouse, tmp_path, signed)) == 200
        assert upstream.last.first("X-Consumer-Username") == name
        assert upstream.last.first("X-Anonymous-Consumer") == anonymous


@pytest.mark.parametrize("by, group", [("CN", "alice"), ("DN", "CN=alice")])
def test_a_proven_name_is_a_group(guarded, upstream, authority, tmp_path, by, group):
    allow = plugin("acl", allow=[group])
    gatehouse = guarded([], [allow], skip_consumer_lookup=True, authenticated_group_by=by)
    assert status(ask(gatehouse, tmp_path, authority.sign("alice"))) == 200
    assert upstream.last.first("X-Authenticated-Groups") == group
    assert upstream.last.first("X-Consumer-Username") is None
    assert status(ask(gatehouse, tmp_path, authority.sign("bob"))) == 403


def test_a_plugin_of_the_service_asks_for_all_of_its_names(start, upstream, authority, tmp_path):
    port = free_port()
    gatehouse = start({
        "services": [service(upstream.url, route("a", "/", hosts=["asks.example"]), plugins=[mutual()])],
        "certificates": [authority.sign("x").entity("*")], "consumers": [{"username": "alice"}],
        "ca_certificates": [{"id": AUTHORITY, "cert": authority.cert}]},
        GATEHOUSE_PROXY_LISTEN=f"127.0.0.1:{port} ssl")
    gatehouse.tls_port = port
    assert is_asked(gatehouse, "asks.example")
    assert status(ask(gatehouse, tmp_path, authority.sign("alice"))) == 200


# Wrong configurations

@pytest.mark.parametrize("config, said", [
    ({"ca_certificates": [AUTHORITY]}, "revocation_check_mode: revocation"),
    ({"revocation_check_mode": "STRICT", "ca_certificates": [AUTHORITY]}, "write SKIP"),
    ({"revocation_check_mode": "SKIP"}, "ca_certificates"),
    ({"revocation_check_mode": "SKIP", "ca_certificates": []}, "ca_certificates"),
    ({"revocation_check_mode": "SKIP", "ca_certificates": [OTHER]}, f"there is no ca_certificate '{OTHER}'"),
    ({"revocation_check_mode": "SKIP", "ca_certificates": [AUTHORITY], "send_ca_dn": True}, "not served yet"),
    ({"revocation_check_mode": "SKIP", "ca_certificates": [AUTHORITY], "anonymous": "alise"},
     "there is no consumer 'alise'"),
    ({"revocation_check_mode": "SKIP", "ca_certificates": [AUTHORITY], "consumer_by": ["id"]}, "consumer_by")])
def test_what_mtls_auth_cannot_do_is_an_error(tmp_path, authority, config, said):
    """P8"""
    assert said in wrong(tmp_path, authority, plugin("mtls-auth", **config))


def test_other_wrong_words(tmp_path, authority):
    assert "tls_client_certificate" in wrong(
        tmp_path, authority, plugin("tls-handshake-modifier", tls_client_certificate="REQUIRE"))
    alike = plugin("tls-metadata-headers", client_serial_header_name="x-client-cert")
    assert "two fields have one name" in wrong(tmp_path, authority, alike)
    assert "client_cert_header_name" in wrong(
        tmp_path, authority, plugin("tls-metadata-headers", client_cert_header_name="Connection"))
    twice = {"mtls_auth_credentials": [{"subject_name": "a"}, {"subject_name": "a"}]}
    assert "the subject_name is already there" in wrong(tmp_path, authority, mutual(), twice)
    stray = {"mtls_auth_credentials": [{"subject_name": "a", "ca_certificate": {"id": OTHER}}]}
    assert f"there is no ca_certificate '{OTHER}'" in wrong(tmp_path, authority, mutual(), stray)


def wrong(tmp_path, authority, one: dict, consumer: dict | None = None) -> str:
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump({
        "_format_version": "3.0", "services": [service("http://127.0.0.1:9", route("a", "/", plugins=[one]))],
        "ca_certificates": [{"id": AUTHORITY, "cert": authority.cert}],
        "consumers": [{"username": "alice", **(consumer or {})}]}, sort_keys=False))
    done = run("check", str(file))
    assert done.returncode == 1, done.stdout
    return done.stdout


def test_a_reload_changes_by_whom_kept_connections_are_judged(guarded, authority, tmp_path):
    gatehouse = guarded(cache_ttl=3600)
    with Handshake(gatehouse.tls_port, "asks.example", **shown(authority.sign("alice"), tmp_path)) as client:
        assert status(client.get(host="asks.example")) == 200
        before = gatehouse.file.read_text()
        gatehouse.write(before.replace(f"- {AUTHORITY}\n", f"- {OTHER}\n"))
        assert gatehouse.file.read_text() != before
        assert run("reload", "--data-dir", str(gatehouse.folder / "data")).returncode == 0
        assert status(client.get(host="asks.example")) == 401
        gatehouse.write(before)
        assert run("reload", "--data-dir", str(gatehouse.folder / "data")).returncode == 0
        assert status(client.get(host="asks.example")) == 200
    assert gatehouse.refusals("untrusted-client-certificate") == 1


def test_the_example_holds(upstream, authority, tmp_path):
    partners = Authority("Partners")
    site = authority.sign("partners.example.com", "www.example.com")
    text = (ROOT / "examples/mutual-tls.yaml").read_text().replace("127.0.0.1:9000", f"127.0.0.1:{upstream.port}")
    port = free_port()
    environment = {"SITE_CERT": site.cert, "SITE_KEY": site.key, "PARTNERS_CA": partners.cert,
                   "GATEHOUSE_PROXY_LISTEN": f"127.0.0.1:{port} ssl http2"}
    (tmp_path / "ca.pem").write_text(authority.cert)

    def ask(name: str, signed=None) -> str:
        shows = ["--cert", signed.files(tmp_path)[0], "--key", signed.files(tmp_path)[1]] if signed else []
        done = subprocess.run(
            ["curl", "-sS", "--noproxy", "*", "--max-time", "15", "--cacert", str(tmp_path / "ca.pem"), "--connect-to",
             f"::127.0.0.1:{port}", *shows, "-o", "/dev/null", "-w", "%{http_version} %{http_code}",
             f"https://{name}/orders"], capture_output=True, text=True)
        return done.stdout

    with Gatehouse(tmp_path / "gatehouse", text, **environment):
        partner = partners.sign("machine.partner-one.example")
        assert ask("partners.example.com", partner) == "2 200"
        assert upstream.last.first("X-Consumer-Username") == "partner-one" and heard(upstream) == told(partner)
        assert ask("partners.example.com", partners.sign("another.example")) == "2 401"
        assert ask("partners.example.com", authority.sign("machine.partner-one.example")) == "2 401"
        assert ask("partners.example.com") == "2 401"
        assert ask("www.example.com") == "2 200" and ask("www.example.com", partner) == "2 200"
        assert heard(upstream) == NOTHING


# Others' word

def test_a_callouts_certificate_is_the_asking_gateways(guarded, authority, tmp_path):
    """What its own connection shows says nothing of the client that it asks about."""
    gatehouse = guarded(GATEHOUSE_TRUSTED_IPS="127.0.0.1")
    original = "\r\nX-Original-URL: https://asks.example/x"
    with Handshake(gatehouse.tls_port, "asks.example", **shown(authority.sign("alice"), tmp_path)) as client:
        assert status(client.get(host="asks.example")) == 200
        assert status(client.get("/oauth2/auth", host="asks.example" + original)) == 401
    assert gatehouse.refusals("no-client-certificate") == 1


def test_a_trusted_peer_tells_of_no_certificate(guarded, authority):
    gatehouse = guarded(GATEHOUSE_TRUSTED_IPS="127.0.0.1")
    forged = "".join(f"\r\n{name}: {value}" for name, value in told(authority.sign("alice")).items())
    with Handshake(gatehouse.tls_port, "asks.example") as client:
        assert status(client.get(host="asks.example" + forged)) == 401


def test_explain_says_what_is_missing(guarded):
    gatehouse = guarded()
    done = run("explain", "--config", str(gatehouse.file), "--request", "GET https://asks.example/x")
    assert "No required TLS certificate was sent" in done.stdout, done.stdout + done.stderr


# Who it is, signed for the upstream

def test_a_consumer_is_told_of_signed_and_no_longer_than_the_certificate(guarded, upstream, authority, tmp_path):
    gatehouse = guarded(upstream_identity_header="X-Identity", upstream_identity_audience=["orders"])
    ends = {}
    # What is left of certificates, in days: more than the five minutes of what is signed, and less.
    for left in (1, 100 / 86400):
        for _ in range(2):
            assert status(ask(gatehouse, tmp_path, authority.sign("bob-7", ends=left))) == 200
            token = upstream.last.first("X-Identity")
            claims = verified(token, gatehouse.url + "/oauth2/jwks")
            assert (claims["sub"], claims["consumer_custom_id"], claims["aud"]) == ("bob-7", "bob-7", "orders")
            assert "idp" not in claims
            ends.setdefault(left, []).append(claims["exp"] - now())
    assert all(280 < end <= 300 for end in ends[1]) and all(60 < end <= 100 for end in ends[100 / 86400]), ends


def test_where_no_consumer_is_looked_up_none_can_be_signed(tmp_path, authority):
    assert "skip_consumer_lookup" in wrong(
        tmp_path, authority, mutual(skip_consumer_lookup=True, upstream_identity_header="X-Identity"))
