"""Clients that ask without pause, and count what did not come back whole."""
import socket
import threading

from support.arriving import arriving

HEAD = b"GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n"


class Load:
    """Threads that send one request after the other; each answer must be 200 and whole.

    A kept connection may be closed by the server between two requests only after an answer that said so;
    with a `pause` it is idle most of the time.
    """

    def __init__(self, port: int, kept: int = 2, fresh: int = 2, target: str = "/api", pause: float = 0):
        self.port, self.target, self.pause = port, target.encode(), pause
        self.done = threading.Event()
        self.failures: list[str] = []
        self.counts = {"kept": 0, "fresh": 0}
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(kind,), daemon=True)
                        for kind, number in (("kept", kept), ("fresh", fresh)) for _ in range(number)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join(60)

    def run(self, kind: str):
        connection, request = None, "first"
        while not self.done.is_set():
            try:
                connection = connection or socket.create_connection(("127.0.0.1", self.port), 20)
                connection.sendall(HEAD % (self.target, b"Connection: close\r\n" if kind == "fresh" else b""))
                goes_on = self.answer(connection)
                request = "later"
                if not goes_on:
                    connection.close()
                    connection, request = None, "first"
                with self.lock:
                    self.counts[kind] += 1
                self.done.wait(self.pause)
            except (OSError, ValueError) as error:
                self.failures.append(f"{kind}, {request} request: {error!r}")
                connection, request = None, "first"
        if connection:
            connection.close()

    @staticmethod
    def answer(connection) -> bool:
        """Reads one answer; whether the connection goes on."""
        text = b""
        while b"\r\n\r\n" not in text:
            part = connection.recv(65536)
            if not part:
                raise ValueError(f"closed after {text!r}")
            text += part
        head, body = text.split(b"\r\n\r\n", 1)
        lines = head.lower().split(b"\r\n")
        if b" 200 " not in lines[0]:
            raise ValueError(lines[0].decode())
        length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
        while len(body) < length:
            part = connection.recv(65536)
            if not part:
                raise ValueError("closed within an answer")
            body += part
        return b"connection: close" not in lines


class Flood:
    """An upstream that answers each request with a body of `size` octets, without having it in memory.

    With `reads=False` it reads the head and nothing more, and never answers.
    """

    def __init__(self, size: int, reads: bool = True):
        self.size, self.reads = size, reads
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.connections: list[socket.socket] = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        for connection in arriving(self.listener):
            self.connections.append(connection)
            if self.reads:
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        piece, left = b"x" * 65536, self.size
        try:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self.size)
            while left > 0:
                connection.sendall(piece[:left])
                left -= len(piece)
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        for connection in self.connections:
            connection.close()
