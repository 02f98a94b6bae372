"""The other proxies, each before an origin of its own, as their packages have them."""
import contextlib
import pathlib
import shutil

from support.gatehouse import ROOT
from support.origin import StrictOrigin
from support.processes import Process, accepts, free_port, wait_until

PYTHON = ROOT / ".build/python/drills/bin"

NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log error;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 16; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""
HAPROXY = """
global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  server s 127.0.0.1:{origin}
"""
ENVOY = """
static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: h
          http_protocol_options: {{ accept_http_10: true, default_host_for_http_10: old.test }}
          route_config:
            virtual_hosts:
            - {{ name: v, domains: ["*"], routes: [ {{ match: {{ prefix: "/" }}, route: {{ cluster: origin }} }} ] }}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
  clusters:
  - name: origin
    type: STATIC
    load_assignment:
      cluster_name: origin
      endpoints: [ {{ lb_endpoints: [ {{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {origin} }} }} }} }} ] }} ]
"""
CADDY = """
{{
	admin off
	auto_https off
	persist_config off
}}
http://:{port} {{
	bind 127.0.0.1
	reverse_proxy 127.0.0.1:{origin}
}}
"""
# By name: the program, its file, and how it is started.
PEERS = {
    "nginx": ("/usr/sbin/nginx", NGINX, "nginx.conf", ["-c", "{file}", "-p", "{folder}"]),
    "haproxy": ("/usr/sbin/haproxy", HAPROXY, "haproxy.cfg", ["-q", "-db", "-f", "{file}"]),
    "envoy": (str(PYTHON / "envoy"), ENVOY, "envoy.yaml", ["-c", "{file}", "--concurrency", "1",
    "--use-dynamic-base-id", "-l", "error"]),
    "caddy": (str(PYTHON / "caddy"), CADDY, "Caddyfile", ["run", "--config", "{file}"]),
}


def missing() -> list[str]:
    """The programs that are not here."""
    return [name for name, (path, *_) in PEERS.items() if not shutil.which(path)]


def start(name: str, folder: pathlib.Path, ending: contextlib.ExitStack) -> tuple[int, StrictOrigin]:
    """Starts one; its port, and the origin behind it."""
    path, text, file, arguments = PEERS[name]
    folder = folder / name
    folder.mkdir(parents=True)
    origin, port = ending.enter_context(StrictOrigin()), free_port()
    (folder / file).write_text(text.format(folder=folder, port=port, origin=origin.port))
    process = Process(
        [path, *(part.format(file=folder / file, folder=folder) for part in arguments)], str(folder / "said.log"),
        {"HOME": str(folder), "PATH": "/usr/sbin:/usr/bin:/bin"}, str(folder))
    ending.callback(process.kill)
    wait_until(lambda: accepts(port), f"{name} listens", 60)
    return port, origin
