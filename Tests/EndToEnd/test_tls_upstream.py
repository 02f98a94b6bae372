"""TLS towards upstreams: Debian's nginx, right and wrong in every way."""
import subprocess

import pytest

from support.certificates import Authority
from support.gatehouse import route, run
from support.processes import Process, accepts, free_port, wait_until

NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off; keepalive_requests 100000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  {servers}
}}
"""
SERVER = """
  server {{
    listen 127.0.0.1:{port} ssl{http2}; server_name _;
    ssl_certificate {cert}; ssl_certificate_key {key}; {more}
    location ~ /file$ {{ alias {folder}/file; }}
    location / {{
      add_header Seen-Name "$ssl_server_name" always; add_header Seen-Host "$http_host" always;
      add_header Seen-Protocol "$server_protocol" always; add_header Seen-Client "$ssl_client_s_dn" always; add_header Seen-Connection "$connection" always;
      return 200 "fine\\n";
    }}
  }}
"""


class Nginx:
    """nginx with one TLS server a certificate."""

    def __init__(self, folder):
        self.folder, self.servers = folder, []
        folder.mkdir()

    def server(self, signed, more: str = "", http2: bool = False) -> int:
        port = free_port()
        cert, key = signed.files(self.folder)
        self.servers.append(SERVER.format(
            port=port, cert=cert, key=key, more=more, folder=self.folder, http2=" http2" if http2 else ""))
        return port

    def start(self):
        (self.folder / "nginx.conf").write_text(NGINX.format(folder=self.folder, servers="".join(self.servers)))
        self.process = Process(["nginx", "-c", str(self.folder / "nginx.conf"), "-p", str(self.folder)],
                               str(self.folder / "out.log"))
        ports = [int(server.split("127.0.0.1:")[1].split()[0]) for server in self.servers]
        wait_until(lambda: all(accepts(port) for port in ports), "nginx listens")


@pytest.fixture
def nginx(tmp_path):
    server = Nginx(tmp_path / "nginx")
    yield server
    server.process.stop()


@pytest.fixture(scope="module")
def authority():
    return Authority()


AUTHORITY = "5f1d1b8c-31a2-4b86-8c7d-0c0f8f0b5a11"
CLIENT = "5f1d1b8c-31a2-4b86-8c7d-0c0f8f0b5a12"


def service(name: str, port: int, host: str = "localhost", **more) -> dict:
    return {"name": name, "url": f"https://{host}:{port}", "routes": [route(name, f"/{name}", **more.pop("route", {}))],
            "ca_certificates": [AUTHORITY], **more}


def configuration(authority, *services: dict, **more) -> dict:
    return {"services": list(services), "ca_certificates": [{"id": AUTHORITY, "cert": authority.cert}], **more}


def get(gatehouse, path: str, *flags: str) -> str:
    return subprocess.run(["curl", "-sS", "-i", "--noproxy", "*", "--max-time", "15", *flags, gatehouse.url + path],
                          capture_output=True, text=True).stdout.lower()


def test_a_good_upstream_is_used_over_kept_connections(start, nginx, authority):
    port = nginx.server(authority.sign("localhost"))
    nginx.start()
    (nginx.folder / "file").write_bytes(b"x" * 3_000_000)
    gatehouse = start(configuration(authority, service("good", port)), GATEHOUSE_WORKERS="1")
    answers = [get(gatehouse, "/good") for _ in range(3)]
    for answer in answers:
        assert answer.startswith("http/1.1 200") and "seen-name: localhost" in answer
        assert f"seen-host: localhost:{port}" in answer
    kept = {line for answer in answers for line in answer.splitlines() if line.startswith("seen-connection")}
    assert len(kept) == 1, "one connection carries all three"
    body = subprocess.run(["curl", "-sS", "--noproxy", "*", gatehouse.url + "/good/file"], capture_output=True).stdout
    assert body == b"x" * 3_000_000


@pytest.mark.parametrize("name, reason", [
    ("self-signed", "upstream-tls-untrusted"), ("expired", "upstream-tls-untrusted"),
    ("early", "upstream-tls-untrusted"), ("other-name", "upstream-tls-wrong-name")])
def test_a_certificate_that_proves_nothing_is_refused(start, nginx, authority, name, reason):
    signed = {
        "self-signed": lambda: Authority("localhost").sign("localhost"),
        "expired": lambda: authority.sign("localhost", begins=-10, ends=-1),
        "early": lambda: authority.sign("localhost", begins=5),
        "other-name": lambda: authority.sign("other.example")}[name]()
    port = nginx.server(signed)
    nginx.start()
    gatehouse = start(configuration(
        authority, service("checked", port), service("unchecked", port, tls_verify=False)))
    answer = get(gatehouse, "/checked")
    assert answer.startswith("http/1.1 502"), answer
    assert gatehouse.refusals(reason) == 1
    assert get(gatehouse, "/unchecked").startswith("http/1.1 200"), "it is the certificate that was refused"
    assert get(gatehouse, "/checked").startswith("http/1.1 502"), "no unchecked connection is shared"


def test_grpcs_speaks_http2_or_nothing(start, nginx, authority):
    port, old = nginx.server(authority.sign("localhost"), http2=True), nginx.server(authority.sign("localhost"))
    nginx.start()
    services = [{**service("new", port), "url": f"grpcs://localhost:{port}"},
                {**service("old", old), "url": f"grpcs://localhost:{old}", "retries": 0}]
    gatehouse = start(configuration(authority, *services))
    answer = get(gatehouse, "/new")
    assert answer.startswith("http/1.1 200") and "seen-protocol: http/2.0" in answer
    assert get(gatehouse, "/old").startswith("http/1.1 502")
    assert gatehouse.refusals("upstream-tls-failed") == 1


def test_an_address_is_proven_as_an_address(start, nginx, authority):
    good, bad = nginx.server(authority.sign("127.0.0.1")), nginx.server(authority.sign("localhost"))
    nginx.start()
    gatehouse = start(configuration(
        authority, service("good", good, "127.0.0.1"), service("bad", bad, "127.0.0.1")))
    answer = get(gatehouse, "/good")
    assert answer.startswith("http/1.1 200") and "seen-name: localhost" not in answer
    assert get(gatehouse, "/bad").startswith("http/1.1 502")
    assert gatehouse.refusals("upstream-tls-wrong-name") == 1


def test_a_name_is_not_proven_by_an_address(start, nginx, authority):
    """Whoever answers for a name may have a certificate for his address."""
    bad, both = nginx.server(authority.sign("127.0.0.1")), nginx.server(authority.sign("127.0.0.1", "LOCALHOST"))
    nginx.start()
    gatehouse = start(configuration(authority, service("bad", bad), service("both", both)))
    assert get(gatehouse, "/bad").startswith("http/1.1 502")
    assert gatehouse.refusals("upstream-tls-wrong-name") == 1
    assert get(gatehouse, "/both").startswith("http/1.1 200")


def test_the_name_is_the_services_whatever_host_the_client_sends(start, nginx, authority):
    port = nginx.server(authority.sign("localhost"))
    nginx.start()
    gatehouse = start(configuration(authority, service("api", port, route={"preserve_host": True})))
    answer = get(gatehouse, "/api", "-H", "Host: chosen.example")
    assert "seen-host: chosen.example" in answer and "seen-name: localhost" in answer


def test_a_client_certificate_is_shown_to_those_that_ask(start, nginx, authority):
    (nginx.folder / "ca.pem").write_text(authority.cert)
    port = nginx.server(authority.sign("localhost"), f"ssl_client_certificate {nginx.folder}/ca.pem; ssl_verify_client on;")
    nginx.start()
    shown = {**authority.sign("gatehouse.internal").entity(), "id": CLIENT}
    gatehouse = start(configuration(
        authority, service("with", port, client_certificate={"id": CLIENT}), service("without", port),
        certificates=[shown]))
    answer = get(gatehouse, "/with")
    assert answer.startswith("http/1.1 200") and "seen-client: cn=gatehouse.internal" in answer
    assert not get(gatehouse, "/without").startswith("http/1.1 200"), "pools are not shared"
    assert get(gatehouse, "/with").startswith("http/1.1 200")


def test_no_tls_at_the_other_end_is_502(start, upstream, authority):
    gatehouse = start(configuration(authority, service("plain", upstream.port, retries=0)))
    assert get(gatehouse, "/plain").startswith("http/1.1 502")
    assert gatehouse.refusals("upstream-tls-failed") == 1


def test_old_versions_are_refused(start, nginx, authority):
    port = nginx.server(authority.sign("localhost"), "ssl_protocols TLSv1.1; ssl_ciphers DEFAULT:@SECLEVEL=0;")
    nginx.start()
    gatehouse = start(configuration(authority, service("old", port, retries=0)))
    assert get(gatehouse, "/old").startswith("http/1.1 502")
    assert gatehouse.refusals("upstream-tls-failed") == 1


def test_a_handshake_that_stands_still_ends_with_the_connect_limit(start, authority):
    import socket
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        gatehouse = start(configuration(authority, service("silent", port, connect_timeout=300, retries=0)))
        assert get(gatehouse, "/silent").startswith("http/1.1 504")
    assert gatehouse.refusals("upstream-connect-timed-out") == 1


def test_the_settings_authorities_serve_services_without_their_own(start, nginx, authority, tmp_path):
    port = nginx.server(authority.sign("localhost"))
    nginx.start()
    (tmp_path / "ca.pem").write_text(authority.cert)
    bare = {name: value for name, value in service("api", port).items() if name != "ca_certificates"}
    trusting = start({"services": [bare]}, GATEHOUSE_UPSTREAM_CA_FILE=str(tmp_path / "ca.pem"))
    assert get(trusting, "/api").startswith("http/1.1 200")
    system = start({"services": [bare]})
    assert get(system, "/api").startswith("http/1.1 502")
    assert system.refusals("upstream-tls-untrusted") == 1


def test_a_reload_changes_whom_we_believe(start, nginx, authority):
    port = nginx.server(authority.sign("localhost"))
    nginx.start()
    gatehouse = start(configuration(authority, service("api", port)))
    assert get(gatehouse, "/api").startswith("http/1.1 200")
    gatehouse.write(configuration(Authority("Another"), service("api", port)))
    assert run("reload", "--data-dir", str(gatehouse.folder / "data")).returncode == 0
    assert get(gatehouse, "/api").startswith("http/1.1 502"), "the kept connection is not used any more"


# Several targets

def targets(*places: str, **upstream) -> dict:
    """An upstream of these targets."""
    return {"upstreams": [{"name": "zones", "targets": [{"target": place} for place in places], **upstream}]}


def many(authority, more: dict, **terms) -> dict:
    """One service with TLS whose host is the upstream."""
    return configuration(authority, {
        "name": "api", "protocol": "https", "host": "zones", "routes": [route("api", "/")],
        "ca_certificates": [AUTHORITY], **terms}, **more)


def test_each_target_proves_its_own_name(start, nginx, authority):
    """Round robin over connections that are kept: a name, and an address."""
    name, address = nginx.server(authority.sign("localhost")), nginx.server(authority.sign("127.0.0.1"))
    nginx.start()
    gatehouse = start(
        many(authority, targets(f"localhost:{name}", f"127.0.0.1:{address}")), GATEHOUSE_WORKERS="1")
    answers = [get(gatehouse, "/") for _ in range(8)]
    assert all(answer.startswith("http/1.1 200") for answer in answers)
    named = [answer for answer in answers if "seen-name: localhost" in answer]
    assert len(named) == 4 and all(f"seen-host: localhost:{name}" in answer for answer in named)
    kept = {line for answer in named for line in answer.splitlines() if line.startswith("seen-connection")}
    assert len(kept) == 1


@pytest.mark.parametrize("wrong, reason", [
    ("another authority", "upstream-tls-untrusted"), ("another name", "upstream-tls-wrong-name"),
    ("no TLS", "upstream-tls-failed")])
def test_a_target_that_proves_nothing_is_never_used(start, nginx, upstream, authority, wrong, reason):
    good = nginx.server(authority.sign("localhost"))
    bad = {
        "another authority": lambda: nginx.server(Authority("Another").sign("localhost")),
        "another name": lambda: nginx.server(authority.sign("127.0.0.1")), "no TLS": lambda: upstream.port}[wrong]()
    nginx.start()
    gatehouse = start(
        many(authority, targets(f"localhost:{good}", f"localhost:{bad}"), retries=0), GATEHOUSE_WORKERS="1")
    answers = [get(gatehouse, "/") for _ in range(6)]
    assert [answer[:12] for answer in answers].count("http/1.1 200") == 3
    assert [answer[:12] for answer in answers].count("http/1.1 502") == 3
    assert gatehouse.refusals(reason) == 3


def test_a_target_that_cannot_shake_hands_is_left_out(start, nginx, upstream, authority):
    """Nothing was sent, so that the request goes elsewhere; the failure counts against the target."""
    good = nginx.server(authority.sign("localhost"))
    nginx.start()
    quick = {"healthchecks": {"passive": {"unhealthy": {"tcp_failures": 1}}}}
    gatehouse = start(many(authority, targets(f"localhost:{good}", f"localhost:{upstream.port}", **quick)),
                      GATEHOUSE_WORKERS="1")
    for _ in range(8):
        assert get(gatehouse, "/").startswith("http/1.1 200")
    assert gatehouse.metric("gatehouse_upstream_target_health", target=f"localhost:{upstream.port}", state="unhealthy") == 1


def test_a_client_certificate_is_shown_to_targets_that_ask(start, nginx, authority):
    (nginx.folder / "ca.pem").write_text(authority.cert)
    asks = f"ssl_client_certificate {nginx.folder}/ca.pem; ssl_verify_client on;"
    ports = [nginx.server(authority.sign("localhost"), asks) for _ in range(2)]
    nginx.start()
    shown = {**authority.sign("gatehouse.internal").entity(), "id": CLIENT}
    more = {**targets(*(f"localhost:{port}" for port in ports)), "certificates": [shown]}
    gatehouse = start(many(authority, more, client_certificate={"id": CLIENT}), GATEHOUSE_WORKERS="1")
    answers = [get(gatehouse, "/") for _ in range(4)]
    assert all("seen-client: cn=gatehouse.internal" in answer for answer in answers)
    seen = {line for answer in answers for line in answer.splitlines() if line.startswith("seen-host")}
    assert len(seen) == 2


def test_active_checks_of_a_service_with_tls_shake_hands(start, nginx, authority):
    """A target whose certificate is another authority's is taken out by its checks alone."""
    good = nginx.server(authority.sign("localhost"))
    bad = nginx.server(Authority("Another").sign("localhost"))
    nginx.start()
    active = {"type": "http", "http_path": "/", "healthy": {"interval": 0.2, "successes": 1},
              "unhealthy": {"interval": 0.2, "tcp_failures": 1, "http_failures": 1}}
    gatehouse = start(many(authority, targets(f"localhost:{good}", f"localhost:{bad}", healthchecks={"active": active})),
                      GATEHOUSE_WORKERS="1")

    def held(port: int, state: str) -> bool:
        return gatehouse.metric("gatehouse_upstream_target_health", target=f"localhost:{port}", state=state) == 1

    wait_until(lambda: held(bad, "unhealthy"), "the wrong target is out")
    assert held(good, "healthy")
    for _ in range(6):
        assert get(gatehouse, "/").startswith("http/1.1 200")


def check(tmp_path, configuration: dict, *flags: str):
    import yaml
    file = tmp_path / "checked.yaml"
    file.write_text(yaml.safe_dump({"_format_version": "3.0", **configuration}, sort_keys=False))
    return run("check", str(file), *flags)


def test_what_is_wrong_is_told(tmp_path, authority):
    def said(entry: dict, *flags: str) -> str:
        done = check(tmp_path, configuration(authority, {"name": "a", **entry}), *flags)
        assert done.returncode == (1 if "error:" in done.stdout else 0)
        return done.stdout

    assert "warning: tls_verify: false" in said({"url": "https://a", "tls_verify": False})
    assert "error: tls_verify: false" in said({"url": "https://a", "tls_verify": False}, "--strict")
    assert "error: tls_verify: only with" in said({"url": "http://a", "tls_verify": True})
    assert "error: there is no ca_certificate 'x'" in said({"url": "https://a", "ca_certificates": ["x"]})
    assert "expected at least one" in said({"url": "https://a", "ca_certificates": []})
    assert "there is no certificate 'x'" in said({"url": "https://a", "client_certificate": {"id": "x"}})
    assert "'tls_verify_depth' is refused" in said({"url": "https://a", "tls_verify_depth": 2})
    assert said({"url": "https://a", "tls_verify": True, "ca_certificates": [AUTHORITY]}) == ""
