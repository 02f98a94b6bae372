"""An origin that writes down every octet's meaning, forgives nothing, and misbehaves as it is told."""
import socket
import struct
import threading
from dataclasses import dataclass, field

from support.arriving import arriving
from support.processes import wait_until
from support.wire import Broken, Ended, Message, Wire

CLOSE, RESET = "closes", "resets"
# Where a script waits until the client has got the first octets, or the whole answer.
BEGUN, ANSWERED = "when begun", "when answered"


@dataclass
class Recorded:
    """One request as it came, or the octets that were none."""

    serial: int
    connection: int
    message: Message | None = None
    fault: str | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def marker(self) -> bytes | None:
        return self.message.first(b"x-marker") if self.message else None


class StrictOrigin:
    """Answers each request with its own marker and number; a target in `scripts` is answered by its script.

    A script is a list of octets to send, `BEGUN` and `ANSWERED` to wait for what the test tells by `reached`, and
    `CLOSE` or `RESET`. It begins when the whole request has come, or for a target in `early` when its head has.
    """

    def __init__(self, port: int = 0):
        self.listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.records: list[Recorded] = []
        self.scripts: dict[bytes, list] = {}
        self.early: set[bytes] = set()
        self.reached = {BEGUN: threading.Event(), ANSWERED: threading.Event()}
        self.connections: list[socket.socket] = []
        self.lock = threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        for connection in arriving(self.listener):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection, len(self.connections)), daemon=True).start()

    def record(self, connection: int) -> Recorded:
        with self.lock:
            self.records.append(Recorded(len(self.records), connection))
            return self.records[-1]

    def serve(self, connection: socket.socket, number: int):
        wire, record = Wire(connection), None
        try:
            while wire.buffer or wire.fill():
                record = self.record(number)
                record.message = wire.request()
                if not self.answer(connection, wire, record):
                    break
        except Broken as error:
            record.fault = str(error)
            self.say(connection, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        except Ended:
            pass
        except OSError:
            # The listener's end, or a client that is gone.
            pass
        finally:
            for one in self.records:
                if one.connection == number:
                    one.ended.set()
            connection.close()

    def answer(self, connection: socket.socket, wire: Wire, record: Recorded) -> bool:
        """Reads the body and answers; whether the connection goes on."""
        message = record.message
        method, target, _ = message.line.split(b" ")
        script = self.scripts.get(target)
        if target not in self.early:
            if message.first(b"expect") == b"100-continue":
                self.say(connection, b"HTTP/1.1 100 Continue\r\n\r\n")
            wire.request_body(message)
        if script is not None:
            stays = self.play(connection, script)
            if stays and target in self.early:
                wire.request_body(message)
            return stays
        content = b"" if method == b"HEAD" else message.line + b"\n" + message.body
        self.say(connection, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Serial: %d\r\nX-Marker: %s\r\n\r\n%s" % (
            len(content), record.serial, record.marker or b"none", content))
        return True

    def play(self, connection: socket.socket, script: list) -> bool:
        for step in script:
            if step in self.reached:
                self.reached[step].wait(10)
            elif step == CLOSE:
                return False
            elif step == RESET:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            else:
                self.say(connection, step)
        return True

    @staticmethod
    def say(connection: socket.socket, octets: bytes):
        try:
            connection.sendall(octets)
        except OSError:
            # Whoever asked has heard enough.
            pass

    # For the test

    def since(self, mark: int) -> list[Recorded]:
        """What came after the first `mark` records."""
        return self.records[mark:]

    @staticmethod
    def settle(record: Recorded, seconds: float = 5):
        """Waits until a record can change no more: its request is whole, or its connection is gone."""
        wait_until(lambda: record.ended.is_set() or record.message and record.message.whole, "a request ends", seconds)

    def stop(self):
        self.listener.close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
