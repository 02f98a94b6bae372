"""Other people's gateways before the sample API: real programs with the files that our users are given."""
import http.client
import http.server
import pathlib
import shutil
import subprocess
import threading

import yaml

from support.gatehouse import ROOT, Gatehouse
from support.processes import Process, accepts, free_port, wait_until
from support.upstream import Server

PYTHON = ROOT / ".build/python/gateways/bin"
EXAMPLES = ROOT / "examples/gateways"


class Gateway:
    """One program on a port of its own; what its file says of places is said anew for the test."""

    name = ""
    program = ""
    example = ""
    file = ""
    # What its clients get while Gatehouse is away.
    without_verdict = 502
    # What its example says of addresses, and what stands there in the test.
    places: list[tuple[str, str]] = [("127.0.0.1:8000", "127.0.0.1:{gatehouse}"), ("127.0.0.1:9001", "127.0.0.1:{upstream}")]

    def __init__(self, folder: pathlib.Path, gatehouse: Gatehouse, upstream: int):
        self.folder, self.port = folder, free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self.url = f"http://127.0.0.1:{self.port}"
        self.ports = {"port": self.port, "gatehouse": gatehouse.port, "calls": gatehouse.calls_port,
                      "upstream": upstream, "folder": folder}
        self.process: Process | None = None

    @classmethod
    def missing(cls) -> str | None:
        """Why it cannot be started here, if it cannot."""
        found = shutil.which(cls.program)
        return None if found else f"{cls.name}: {cls.program} is not there; scripts/setup installs it"

    def text(self) -> str:
        """The example at the test's own places; each place has to stand there."""
        text = (EXAMPLES / self.example).read_text()
        for written, here in self.places:
            assert written in text, written
            text = text.replace(written, here.format(**self.ports))
        return text

    def command(self, file: pathlib.Path) -> list[str]:
        raise NotImplementedError

    def write(self) -> pathlib.Path:
        file = self.folder / (self.file or self.example)
        file.write_text(self.text())
        return file

    def start(self):
        command = self.command(self.write())
        self.process = Process(
            command, str(self.folder / "said.log"), {"HOME": str(self.folder), "PATH": "/usr/sbin:/usr/bin:/bin"},
            str(self.folder))
        wait_until(self.listens, f"{self.name} listens", 60)
        return self

    def listens(self) -> bool:
        assert self.process.alive, f"{self.name} ended:\n{self.process.said()[-3000:]}"
        return accepts(self.port)

    def stop(self):
        if self.process:
            self.process.kill()


class Nginx(Gateway):
    """Debian's."""

    name, program, example, without_verdict = "nginx", "/usr/sbin/nginx", "nginx.conf", 500
    places = [*Gateway.places, ("listen 80;", "listen 127.0.0.1:{port};"),
              ("server_name shop.example.test;", "server_name localhost;")]
    around = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
"""

    def text(self) -> str:
        return self.around.format(folder=self.folder) + super().text() + "}\n"

    def command(self, file: pathlib.Path) -> list[str]:
        subprocess.run([self.program, "-t", "-c", str(file), "-p", str(self.folder)], check=True, capture_output=True)
        return [self.program, "-c", str(file), "-p", str(self.folder)]


class Caddy(Gateway):
    """The newest that PyPI has."""

    name, program, example = "caddy", str(PYTHON / "caddy"), "Caddyfile"
    places = [*Gateway.places, ("http://shop.example.test {", "http://:{port} {{\n\tbind 127.0.0.1")]

    def text(self) -> str:
        return "{\n\tadmin off\n\tauto_https off\n}\n" + super().text()

    def command(self, file: pathlib.Path) -> list[str]:
        return [self.program, "run", "--config", str(file), "--adapter", "caddyfile"]


class DebianCaddy(Caddy):
    """Debian's, which is years older."""

    name, program = "caddy-debian", "/usr/bin/caddy"


class HAProxy(Gateway):
    """Debian's, with the script beside its file."""

    name, program, example, without_verdict = "haproxy", "/usr/sbin/haproxy", "haproxy.cfg", 503
    places = [*Gateway.places, ("bind :80", "bind 127.0.0.1:{port}"), ("lua-load gatehouse.lua", f"lua-load {EXAMPLES}/gatehouse.lua")]

    def command(self, file: pathlib.Path) -> list[str]:
        return [self.program, "-db", "-f", str(file)]


class Envoy(Gateway):
    """The one that PyPI has."""

    name, program, example, without_verdict = "envoy", str(PYTHON / "envoy"), "envoy.yaml", 503
    places = [("127.0.0.1:8000", "127.0.0.1:{gatehouse}"), ("port_value: 8000", "port_value: {gatehouse}"),
              ("port_value: 9001", "port_value: {upstream}"),
              ("address: 0.0.0.0, port_value: 80}", "address: 127.0.0.1, port_value: {port}}}"),
              ("domains: [shop.example.test]", 'domains: ["*"]')]

    def command(self, file: pathlib.Path) -> list[str]:
        return [self.program, "-c", str(file), "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error"]


class EnvoyGRPC(Envoy):
    """The same, asking by gRPC; Gatehouse needs a listener for calls."""

    name, example = "envoy-grpc", "envoy-grpc.yaml"
    places = [("port_value: 9191", "port_value: {calls}"), *Envoy.places[1:]]


class Traefik(Gateway):
    """Played: no registry of ours has the program, so its `forwardAuth` is done as its documentation says.

    What it copies and keeps is read from the example, so that the file is held to the same table.
    """

    name, example, without_verdict = "traefik-played", "traefik.yml", 500

    @classmethod
    def missing(cls) -> None:
        return None

    def start(self):
        middlewares, ports = yaml.safe_load(self.text())["http"]["middlewares"], self.ports
        terms = middlewares["gatehouse"]["forwardAuth"]

        class Handler(TraefikAnswers):
            address = terms["address"].split("127.0.0.1:", 1)[1].partition("/")[2]
            copied = terms["authResponseHeaders"]
            cleaned = {name.lower() for name in middlewares["clean"]["headers"]["customRequestHeaders"]}
            gatehouse, upstream = ports["gatehouse"], ports["upstream"]

        self.server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-connection",
              "proxy-authenticate", "proxy-authorization"}
# What the entry point drops from strangers.
FORWARDED = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-uri",
             "x-forwarded-method", "x-forwarded-prefix", "x-real-ip", "x-forwarded-server", "x-forwarded-tls-client-cert"}


class TraefikAnswers(http.server.BaseHTTPRequestHandler):
    """One request through the router: our own paths to Gatehouse, all others asked about."""

    protocol_version = "HTTP/1.1"
    address, copied, cleaned, gatehouse, upstream = "", [], set(), 0, 0

    def log_message(self, *_):
        pass

    def answer(self):
        self.path = self.requestline.split(" ")[1]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        nominated = {name.strip().lower() for value in self.headers.get_all("Connection", []) for name in value.split(",")}
        fields = [(name, value) for name, value in self.headers.items()
                  if name.lower() not in HOP_BY_HOP | FORWARDED | nominated]
        if not self.path.startswith("/oauth2/"):
            fields = [field for field in fields if field[0].lower() not in self.cleaned]
        told = [("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Host", self.headers.get("Host", "")),
                ("X-Forwarded-Proto", "http")]
        path = self.path.partition("?")[0]
        callouts = path in ("/oauth2/auth", "/oauth2/forward-auth") or path.startswith("/oauth2/ext-authz")
        if path.startswith("/oauth2/") and not callouts:
            return self.forward(self.gatehouse, fields + told, body)
        plain = [field for field in fields if field[0].lower() not in ("host", "content-length")]
        question = [*plain, *told, ("X-Forwarded-Method", self.command), ("X-Forwarded-Uri", self.path)]
        try:
            verdict, said = send(self.gatehouse, "GET", "/" + self.address, question, b"")
        except OSError:
            return self.send_error(500)
        if not 200 <= verdict.status < 300:
            return self.reply(verdict, said)
        names = {name.lower() for name in self.copied}
        kept = [field for field in fields if field[0].lower() not in names]
        given = [(name, value) for name in self.copied for value in verdict.headers.get_all(name, [])]
        cookies = verdict.headers.get_all("Set-Cookie", [])
        return self.forward(self.upstream, kept + given + told, body, cookies)

    def forward(self, port: int, fields: list, body: bytes, cookies: list | None = None):
        answer, content = send(port, self.command, self.path, fields, body)
        self.reply(answer, content, cookies or [])

    def reply(self, answer: http.client.HTTPResponse, body: bytes, cookies: list | None = None):
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        for cookie in cookies or []:
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Length", answer.headers.get("Content-Length", str(len(body))))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_PURGE = answer


def send(port: int, method: str, target: str, fields: list, body: bytes):
    """One request with these fields as they stand; the answer and its body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    names = {name.lower() for name, _ in fields}
    connection.putrequest(method, target, skip_host="host" in names, skip_accept_encoding=True)
    for name, value in fields:
        connection.putheader(name, value.encode("latin-1"))
    if body and "content-length" not in names:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body or None)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


ALL: list[type[Gateway]] = [Nginx, Caddy, DebianCaddy, HAProxy, Envoy, EnvoyGRPC, Traefik]
