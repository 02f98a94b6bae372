"""A zone: a small server with a name, which counts its requests; a process of its own, so that it can be killed and stopped.

    python3 -m support.zone 127.0.0.1:PORT NAME

GET answers `NAME COUNT`; `PUT /slow/0.5` makes it slow from then on, `PUT /status/503` lets it answer so.
`GET /count` tells the count and is not counted.
"""
import http.server
import os
import signal
import sys
import time
import urllib.request

from support.processes import Process, accepts, free_port, wait_until


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers with name and count."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    name, count, delay, status = "", 0, 0.0, 200

    def log_message(self, *_):
        pass

    def do_GET(self):
        zone = type(self)
        if self.path != "/count":
            if not self.path.startswith("/health"):
                zone.count += 1
            time.sleep(zone.delay)
        self.say(200 if self.path == "/count" else zone.status, f"{zone.name} {zone.count}\n")

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.do_GET()

    def do_PUT(self):
        _, what, value = self.path.split("/")
        if what == "slow":
            type(self).delay = float(value)
        else:
            type(self).status = int(value)
        self.say(200, "")

    def say(self, status: int, text: str):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("X-Zone", self.name)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


class Zone:
    """A zone's process, as a test handles it."""

    def __init__(self, name: str, folder, port: int | None = None):
        self.name, self.folder, self.port = name, folder, port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.target = f"127.0.0.1:{self.port}"
        self.process: Process | None = None

    def start(self):
        self.process = Process(
            [sys.executable, "-m", "support.zone", self.target, self.name], str(self.folder / f"zone-{self.name}.log"),
            {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
        wait_until(lambda: accepts(self.port), f"zone {self.name} listens")
        return self

    def kill(self):
        self.process.signal(signal.SIGKILL)
        self.process.wait()

    def hang(self):
        self.process.signal(signal.SIGSTOP)

    def go_on(self):
        self.process.signal(signal.SIGCONT)

    def stop(self):
        if self.process:
            self.process.kill()

    def be(self, what: str, value):
        """Makes it slow, or lets it answer another status."""
        with urllib.request.urlopen(
                urllib.request.Request(f"{self.url}/{what}/{value}", method="PUT"), timeout=5) as answer:
            assert answer.status == 200

    @property
    def count(self) -> int:
        with urllib.request.urlopen(f"{self.url}/count", timeout=5) as answer:
            return int(answer.read().split()[1])


class Server(http.server.ThreadingHTTPServer):
    """A server that takes many clients at once."""

    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        """A peer that goes away is no news."""


if __name__ == "__main__":
    host, _, port = sys.argv[1].rpartition(":")
    Answers.name = sys.argv[2]
    Server((host, int(port)), Answers).serve_forever()
