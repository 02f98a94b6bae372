"""Requests byte by byte, for what no HTTP library would send."""
import http.client
import socket


class Reply:
    """An answer with every field kept apart."""

    def __init__(self, status: int, fields: list[tuple[str, str]], body: bytes):
        self.status, self.fields, self.body = status, fields, body

    def all(self, name: str) -> list[str]:
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def first(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


class RawConnection:
    """One connection; what is written goes out as it stands."""

    def __init__(self, port: int, seconds: float = 10.0):
        self.socket = socket.create_connection(("127.0.0.1", port), seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, raw: bytes):
        self.socket.sendall(raw)

    def read(self, method: str = "GET") -> Reply | None:
        """The next answer, or None if the peer closed without one."""
        answer = http.client.HTTPResponse(Unbuffered(self.socket), method=method)
        try:
            answer.begin()
            return Reply(answer.status, answer.getheaders(), answer.read())
        except (http.client.BadStatusLine, ConnectionResetError):
            return None

    def closed(self, seconds: float = 5.0) -> bool:
        """Whether the peer ends the connection within `seconds`; what it still sends is thrown away."""
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(65536):
                pass
            return True
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Unbuffered:
    """Lets `HTTPResponse` read one answer off a connection without swallowing the next."""

    def __init__(self, connection: socket.socket):
        self.connection = connection

    def makefile(self, *_):
        return Lines(self.connection)


class Lines:
    """A byte stream that reads no further than it is asked to."""

    def __init__(self, connection: socket.socket):
        self.connection = connection

    def read(self, count: int = -1) -> bytes:
        parts = []
        while count:
            part = self.connection.recv(65536 if count < 0 else count)
            if not part:
                break
            parts.append(part)
            count -= len(part) if count > 0 else 0
        return b"".join(parts)

    read1 = read

    def readinto(self, buffer) -> int:
        part = self.read(len(buffer))
        buffer[:len(part)] = part
        return len(part)

    def readline(self, limit: int = -1) -> bytes:
        line = bytearray()
        while not line.endswith(b"\n") and len(line) != limit:
            byte = self.connection.recv(1)
            if not byte:
                break
            line += byte
        return bytes(line)

    def flush(self):
        pass

    def close(self):
        pass


def exchange(port: int, raw: bytes, method: str = "GET") -> Reply | None:
    """Sends `raw` on a connection of its own and reads one answer."""
    with RawConnection(port) as connection:
        try:
            connection.send(raw)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return connection.read(method)


def get(port: int, target: str = "/", host: str | None = None, *fields: str) -> Reply | None:
    """A plain GET with fields written as they stand."""
    lines = [f"GET {target} HTTP/1.1", f"Host: {host or f'127.0.0.1:{port}'}", *fields, "Connection: close", "", ""]
    return exchange(port, "\r\n".join(lines).encode("latin-1"))
