"""nginx as the backend and as the reference, HAProxy, Envoy and Apache as peers: how each is written and started."""
import json
import pathlib
import re
import secrets
import shutil
import subprocess

from bench import ROOT
from bench.machine import tree
from support.processes import Process, accepts, free_port, wait_until

ANSWER = json.dumps({"message": "pong", "items": [{"id": n, "name": f"item {n}"} for n in range(5)]})
LARGE = 64 * 1024
ENVOY = ROOT / ".build/python/bench/bin/envoy"
PROGRAMS = {
    "nginx": ["/usr/sbin/nginx", "-v"], "haproxy": ["/usr/sbin/haproxy", "-v"], "envoy": [str(ENVOY), "--version"],
    "apache": ["/usr/sbin/apache2", "-v"]}
# What a peer is besides its program.
MODULES = {"apache": pathlib.Path("/usr/lib/apache2/modules/mod_auth_openidc.so")}

NGINX = """
daemon off;
worker_processes {workers};
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  server_tokens off;
  keepalive_requests 100000000;
  keepalive_timeout 600s;
  client_max_body_size 0;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  {rest}
}}
"""
BACKEND = """server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ default_type application/json; return 200 '{answer}'; }}
    location /large {{ root {folder}; }}
  }}"""
# A call is answered by the plain backend, so that its body is read first; its status is a trailer.
GRPC_BACKEND = """upstream plain {{ server 127.0.0.1:{backend}; keepalive 256; keepalive_requests 100000000; }}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  server {{
    listen 127.0.0.1:{port} http2 backlog=4096;
    http2_max_requests 100000000;
    location / {{
      proxy_pass http://plain; proxy_method GET; proxy_hide_header Content-Type;
      add_header Content-Type application/grpc; add_trailer grpc-status 0;
    }}
  }}"""
HTTP2_PROXY = """upstream backend {{
    server 127.0.0.1:{backend}; keepalive 256; keepalive_requests 100000000; keepalive_timeout 600s;
  }}
  http2_max_requests 100000000;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  server {{
    listen 127.0.0.1:{port} http2 backlog=4096;
    location / {{ {carries} }}
  }}"""
CARRIES = {"http2": "proxy_pass http://backend;", "grpc": "grpc_pass grpc://backend;"}
# A request's body is held in memory, a large answer passes through large buffers: nginx's defaults cost it more.
PROXY = """upstream backend {{
    server 127.0.0.1:{backend}; keepalive 256; keepalive_requests 100000000; keepalive_timeout 600s;
  }}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_max_temp_file_size 0;
  client_body_buffer_size 128k;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass http://backend; }}
    location = /large {{
      proxy_pass http://backend;
      proxy_buffer_size 32k; proxy_buffers 4 32k; proxy_busy_buffers_size 96k;
    }}
  }}"""
TUNNELS = """server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://127.0.0.1:{backend}; proxy_http_version 1.1; proxy_read_timeout 600s;
      proxy_set_header Connection upgrade; proxy_set_header Upgrade $http_upgrade;
    }}
  }}"""
TLS_LINES = """
  ssl_certificate {certificate}; ssl_certificate_key {certificate}; ssl_protocols TLSv1.3; ssl_session_tickets on;
  """
# A stand-in for whoever answers callouts, that verifies nothing: a floor.
PLACEHOLDER = """map_hash_bucket_size 4096;
  large_client_header_buffers 4 32k;
  http2_max_requests 100000000;
  map $http_authorization $passes {{ default 0; "{credential}" 1; }}
  server {{
    listen 127.0.0.1:{port}{words} backlog=4096;
    location / {{
      if ($passes = 0) {{ return 401; }}
      add_header X-Auth-Request-User user-00000001;
      return 200;
    }}
  }}"""
HAPROXY = """
global
  nbthread {workers}
  maxconn 16384
  no strict-limits
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout http-keep-alive 600s
  timeout tunnel 600s
  http-reuse always
frontend clients
  bind 127.0.0.1:{port} backlog 4096{bind}
{rules}
  default_backend api
backend api
  server one 127.0.0.1:{backend} pool-purge-delay 600s{server}
"""
# HAProxy checks a signature by one key in a file; every claim is a rule of one's own.
HAPROXY_TOKEN = """
  http-request set-var(txn.token) http_auth_bearer
  http-request deny deny_status 401 unless {{ var(txn.token) -m found }}
  http-request deny deny_status 401 unless {{ var(txn.token),jwt_header_query('$.alg') -m str {algorithm} }}
  http-request deny deny_status 401 unless {{ var(txn.token),jwt_payload_query('$.iss') -m str {issuer} }}
  http-request deny deny_status 401 unless {{ var(txn.token),jwt_payload_query('$.aud') -m str {audience} }}
  http-request set-var(txn.now) date()
  http-request set-var(txn.end) var(txn.token),jwt_payload_query('$.exp','int')
  http-request deny deny_status 401 unless {{ var(txn.end) -m found }}
  http-request deny deny_status 401 if {{ var(txn.end),sub(txn.now) -m int lt 1 }}
  http-request deny deny_status 401 unless {{ var(txn.token),jwt_verify("{algorithm}","{key}") -m int 1 }}
"""

# One process whose threads do all the work. mod_auth_openidc takes keys by TLS alone, so that it serves them to itself;
# issuer and audience are rules of one's own.
APACHE = """
ServerRoot {folder}
ServerName localhost
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
LogLevel crit
User www-data
Group www-data
{modules}
ServerLimit {workers}
StartServers {workers}
ThreadsPerChild 64
MaxRequestWorkers {threads}
AsyncRequestWorkerFactor 64
ListenBackLog 4096
MaxKeepAliveRequests 0
KeepAliveTimeout 600
Listen 127.0.0.1:{port}
Listen 127.0.0.1:{keys_port}
<VirtualHost 127.0.0.1:{keys_port}>
  SSLEngine on
  SSLCertificateFile {certificate}
  SSLCertificateKeyFile {certificate}
  DocumentRoot {folder}/keys
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
  ProxyPass / http://127.0.0.1:{backend}/ keepalive=On
  {rules}
</VirtualHost>
"""
APACHE_MODULES = ("mpm_event", "authz_core", "authn_core", "authz_user", "proxy", "proxy_http", "ssl", "auth_openidc")
APACHE_TOKEN = """
  OIDCCryptoPassphrase {secret}
  OIDCSSLValidateServer Off
  OIDCOAuthSSLValidateServer Off
  OIDCOAuthVerifyJwksUri https://127.0.0.1:{keys_port}/{keys}
  OIDCOAuthAcceptTokenAs header
  <Location />
    AuthType oauth20
    <RequireAll>
      Require claim iss:{issuer}
      Require claim aud:{audience}
    </RequireAll>
  </Location>
"""


class TokenRule:
    """What a peer needs to check tokens itself."""

    def __init__(self, issuer: str, audience: str, key, folder: pathlib.Path):
        self.issuer, self.audience, self.algorithm = issuer, audience, key.algorithm
        self.pem, self.jwks = folder / f"{key.kid}.pem", folder / f"{key.kid}.jwks"
        self.pem.write_bytes(key.public_pem())
        self.jwks.write_text(json.dumps({"keys": [key.jwk()]}))


def started(command: list[str], folder: pathlib.Path, port: int, what: str) -> Process:
    """A program that listens on `port`."""
    process = Process(command, str(folder / "log"))
    try:
        wait_until(lambda: accepts(port) or not process.alive, f"{what} listens")
        if not process.alive:
            raise RuntimeError(f"{what} did not start: {process.said()[-2000:]}")
    except BaseException:
        process.kill()
        raise
    return process


def nginx(folder: pathlib.Path, port: int, rest: str, workers: int = 1) -> Process:
    """nginx with its workers up."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, workers=workers, rest=rest))
    process = started(["/usr/sbin/nginx", "-c", str(file), "-p", str(folder)], folder, port, "nginx")
    wait_until(lambda: len(tree(process.popen.pid)) > workers, "nginx has its workers")
    return process


def backend(folder: pathlib.Path, port: int) -> Process:
    """What everyone proxies to: a short answer, and a body of 64 KiB at /large."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    (folder / "large").write_bytes(b"0123456789abcdef" * (LARGE // 16))
    return nginx(folder, port, BACKEND.format(port=port, answer=ANSWER, folder=folder))


def certificate(folder: pathlib.Path) -> pathlib.Path:
    """A certificate of an RSA key of 2048 bits with its key, in one file."""
    file, key = folder / "tls.pem", folder / "tls.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "30",
         "-keyout", str(key), "-out", str(file)], check=True, capture_output=True)
    file.write_text(file.read_text() + key.read_text())
    file.chmod(0o644)
    return file


def grpc_backend(folder: pathlib.Path, port: int, plain: int) -> Process:
    """What calls of gRPC are proxied to: one short message, as far as its length goes."""
    return nginx(folder, port, GRPC_BACKEND.format(port=port, backend=plain))


def reference(folder: pathlib.Path, port: int, upstream: int, workers: int, speaks: str = "http1",
              pem: pathlib.Path | None = None) -> Process:
    """nginx proxying without any check."""
    if speaks == "tls":
        form = TLS_LINES.format(certificate=pem) + PROXY.format(port=f"{port} ssl", backend=upstream)
        return nginx(folder, port, form, workers)
    if speaks == "websocket":
        return nginx(folder, port, TUNNELS.format(port=port, backend=upstream), workers)
    form = PROXY if speaks == "http1" else HTTP2_PROXY
    return nginx(folder, port, form.format(port=port, backend=upstream, carries=CARRIES.get(speaks, "")), workers)


def placeholder(folder: pathlib.Path, port: int, field: str, speaks_http2: bool) -> Process:
    """nginx that lets pass whoever shows just this field."""
    credential = field.partition(": ")[2]
    words = " http2" if speaks_http2 else ""
    return nginx(folder, port, PLACEHOLDER.format(port=port, credential=credential, words=words))


def haproxy(folder: pathlib.Path, port: int, upstream: int, workers: int, token: TokenRule | None,
            speaks: str = "http1", pem: pathlib.Path | None = None) -> Process:
    """HAProxy, with its own token check if there is a rule."""
    folder.mkdir(parents=True, exist_ok=True)
    rules = HAPROXY_TOKEN.format(
        algorithm=token.algorithm, issuer=token.issuer, audience=token.audience, key=token.pem) if token else ""
    file = folder / "haproxy.cfg"
    file.write_text(HAPROXY.format(
        workers=workers, port=port, backend=upstream, rules=rules, bind={"http1": "", "websocket": "", "tls": f" ssl crt {pem} ssl-min-ver TLSv1.3"}.get(speaks, " proto h2"),
        server=" proto h2" if speaks == "grpc" else ""))
    return started(["/usr/sbin/haproxy", "-db", "-f", str(file)], folder, port, "haproxy")


def apache(folder: pathlib.Path, port: int, upstream: int, workers: int, token: TokenRule | None,
           speaks: str = "http1", pem: pathlib.Path | None = None) -> Process:
    """Apache, with mod_auth_openidc if there is a rule; it speaks HTTP/1.1 alone here."""
    (folder / "keys").mkdir(parents=True, exist_ok=True)
    keys_port, rules = free_port(), ""
    if token:
        shutil.copy(token.jwks, folder / "keys")
        rules = APACHE_TOKEN.format(
            issuer=token.issuer, audience=token.audience, secret=secrets.token_hex(16), keys_port=keys_port, keys=token.jwks.name)
    modules = "\n".join(f"LoadModule {name}_module {MODULES['apache'].parent}/mod_{name}.so" for name in APACHE_MODULES)
    file = folder / "apache.conf"
    file.write_text(APACHE.format(
        folder=folder, port=port, keys_port=keys_port, backend=upstream, workers=workers, threads=64 * workers, modules=modules,
        certificate=pem, rules=rules))
    return started(["/usr/sbin/apache2", "-D", "FOREGROUND", "-f", str(file)], folder, port, "apache")


def envoy(folder: pathlib.Path, port: int, upstream: int, workers: int, token: TokenRule | None,
          speaks: str = "http1", pem: pathlib.Path | None = None) -> Process:
    """Envoy, with its own token check and its token cache if there is a rule."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "envoy.json"
    file.write_text(json.dumps(envoy_configuration(port, upstream, token, speaks, pem), indent=1))
    return started([
        str(ENVOY), "-c", str(file), "--concurrency", str(workers), "--disable-hot-restart", "--log-level", "error",
        "--base-id", str(port)], folder, port, "envoy")


def envoy_configuration(port: int, upstream: int, token: TokenRule | None, speaks: str = "http1",
                        pem: pathlib.Path | None = None) -> dict:
    """Envoy's file; request ids and dynamic statistics are off, as its own advice for benchmarks says."""
    kinds = "type.googleapis.com/envoy.extensions.filters"
    router = {"name": "envoy.filters.http.router", "typed_config": {
        "@type": f"{kinds}.http.router.v3.Router", "dynamic_stats": False}}
    manager = {
        "@type": f"{kinds}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "clients", "generate_request_id": False,
        **({"upgrade_configs": [{"upgrade_type": "websocket"}]} if speaks == "websocket" else {}),
        "route_config": {"name": "all", "virtual_hosts": [{
            "name": "all", "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "backend"}}]}]},
        "http_filters": [*([envoy_token_filter(kinds, token)] if token else []), router]}
    upstreams = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    http2 = {"typed_extension_protocol_options": {upstreams.split("/")[1]: {
        "@type": upstreams, "explicit_http_config": {"http2_protocol_options": {}}}}} if speaks == "grpc" else {}
    context = {"common_tls_context": {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3"}, "tls_certificates": [
            {"certificate_chain": {"filename": str(pem)}, "private_key": {"filename": str(pem)}}]}}
    secure = {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": f"{kinds[:-len('.filters')]}.transport_sockets.tls.v3.DownstreamTlsContext", **context,
    }}} if speaks == "tls" else {}
    return {"static_resources": {
        "listeners": [{
            "name": "clients", "tcp_backlog_size": 4096, "address": envoy_address(port),
            "filter_chains": [{**secure, "filters": [{
                "name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]}],
        "clusters": [{
            "name": "backend", "type": "STATIC", "connect_timeout": "5s", **http2,
            "load_assignment": {"cluster_name": "backend", "endpoints": [{"lb_endpoints": [{
                "endpoint": {"address": envoy_address(upstream)}}]}]}}]}}


def envoy_address(port: int) -> dict:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def envoy_token_filter(kinds: str, token: TokenRule) -> dict:
    """Envoy's jwt_authn, reading the Authorization field alone, with its cache of verified tokens."""
    return {"name": "envoy.filters.http.jwt_authn", "typed_config": {
        "@type": f"{kinds}.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"bench": {
            "issuer": token.issuer, "audiences": [token.audience], "forward": True, "require_expiration": True,
            "from_headers": [{"name": "Authorization", "value_prefix": "Bearer "}],
            "local_jwks": {"filename": str(token.jwks)}, "jwt_cache_config": {}}},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "bench"}}]}}


def missing(peers: set[str]) -> list[str]:
    """Those of the named peers that are not installed."""
    return [name for name in sorted(peers) if not shutil.which(PROGRAMS[name][0]) or not MODULES.get(name, ROOT).exists()]


def versions(peers: set[str]) -> dict[str, str]:
    """The versions of nginx and of the named peers, as they tell them."""
    found = {}
    for name in ("nginx", *sorted(peers)):
        said = subprocess.run(PROGRAMS[name], capture_output=True, text=True, check=False)
        number = re.search(r"[/ ](\d+\.\d+\.\d+)", said.stdout + said.stderr)
        found[name] = number[1] if number else "unknown"
    return found
