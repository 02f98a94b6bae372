"""A small sample API: answers with what it was asked, and keeps it for the test.

    python3 -m support.upstream PORT        runs it alone, on 127.0.0.1
"""
import http.server
import json
import socket
import sys
import threading
import time
from urllib.parse import parse_qs, urlsplit


class Seen:
    """One request as it arrived."""

    def __init__(self, method: str, target: str, fields: list[tuple[str, str]], body: bytes):
        self.method, self.target, self.fields, self.body = method, target, fields, body

    def all(self, name: str) -> list[str]:
        """Every value of a field, in order."""
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def first(self, name: str) -> str | None:
        """The first value of a field."""
        return next(iter(self.all(name)), None)

    def described(self) -> dict:
        """What the answer says of the request."""
        return {
            "method": self.method, "target": self.target, "fields": self.fields,
            "headers": {name.lower(): value for name, value in self.fields},
            "body": self.body.decode("latin-1"),
        }


class Upstream:
    """The sample API on a port of its own.

    `?status=404` chooses the status, `?size=N` a body of N bytes, `?wait=S` a pause before the answer,
    `?drip=N` a body of N pieces a tenth of a second apart, `?cookie=NAME` sets a cookie,
    `?cut=1` closes the connection amid the body.
    """

    def __init__(self, port: int = 0, host: str = "127.0.0.1"):
        seen = self.seen = []

        class Handler(Answers):
            def remember(self, request: Seen):
                seen.append(request)

        self.server = Server((host, port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def last(self) -> Seen:
        return self.seen[-1]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Server(http.server.ThreadingHTTPServer):
    """A server whose end closes its connections too."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, *arguments):
        self.connections = set()
        super().__init__(*arguments)

    def process_request(self, request, client_address):
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.connections.discard(request)
        super().shutdown_request(request)

    def server_close(self):
        super().server_close()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def handle_error(self, request, client_address):
        """A peer that goes away is no news."""


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers every request with what it was."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60

    def remember(self, request: Seen):
        """What a test keeps of a request."""

    def log_message(self, *_):
        pass

    def body(self) -> bytes:
        if "chunked" in (self.headers.get("Transfer-Encoding") or "").lower():
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self):
        request = Seen(self.command, self.path, list(self.headers.items()), self.body())
        self.remember(request)
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        time.sleep(float(asked.get("wait", 0)))
        content = json.dumps(request.described()).encode()
        if "size" in asked:
            content = b"x" * int(asked["size"])
        self.send_response(int(asked.get("status", 200)))
        self.send_header("Content-Type", "application/json")
        if "cookie" in asked:
            self.send_header("Set-Cookie", f"{asked['cookie']}=from-upstream; Path=/")
        if "drip" in asked:
            return self.drip(int(asked["drip"]))
        if asked.get("status") in ("204", "304"):
            return self.end_headers()
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if "cut" in asked:
            self.wfile.write(content[:10])
            self.close_connection = True
        elif self.command != "HEAD":
            self.wfile.write(content)

    def drip(self, pieces: int):
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in range(pieces):
            text = f"piece {piece}\n".encode()
            self.wfile.write(f"{len(text):x}\r\n".encode() + text + b"\r\n")
            self.wfile.flush()
            time.sleep(0.1)
        self.wfile.write(b"0\r\n\r\n")

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer


if __name__ == "__main__":
    where = sys.argv[1].rpartition(":")
    Server((where[0] or "127.0.0.1", int(where[2])), Answers).serve_forever()
