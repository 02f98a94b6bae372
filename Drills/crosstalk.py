"""Many users over many connections, pipelined; every answer has to be that user's and that request's."""
import collections
import errno
import random
import re
import select
import socket
import time

from Drills.crowd import abort

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Credential:
    """What a user shows, and the subject the upstream has to be told; None for one who must not pass."""

    def __init__(self, field: str, subject: str | None):
        self.subject = subject.encode() if subject else None
        self.head = b" HTTP/1.1\r\nHost: a\r\nX-Subject: spoofed\r\n" + field.encode() + b"\r\n\r\n"


class Talker:
    """One connection and the answers that it waits for."""

    __slots__ = ("socket", "expected", "heard", "unsent")

    def __init__(self):
        self.socket, self.expected, self.heard, self.unsent = None, collections.deque(), b"", b""


class Crosstalk:
    """`connections` of them, `busy` at a time with a batch of requests under way; batches are broken off now and then."""

    def __init__(self, port: int, credentials: list[Credential], connections: int, busy: int, aborts: float):
        self.port, self.credentials, self.busy, self.aborts = port, credentials, busy, aborts
        self.resting = [Talker() for _ in range(connections)]
        self.talking: dict[int, Talker] = {}
        self.poll = select.epoll()
        self.number, self.answers, self.refused, self.broken_off, self.reopened = 0, 0, 0, 0, 0
        self.wrong: list[str] = []
        self.failures: collections.Counter[str] = collections.Counter()

    def run(self, total: int, beside=None) -> float:
        """Goes on until `total` answers were checked; `beside` is called each second."""
        began = look = time.monotonic()
        random.shuffle(self.resting)
        while self.answers < total:
            while len(self.talking) < self.busy and self.resting:
                self.begin(self.resting.pop(0))
            for number, event in self.poll.poll(1):
                if talker := self.talking.get(number):
                    self.ready(talker, event)
            if beside and time.monotonic() - look > 1:
                look = time.monotonic()
                beside()
            if time.monotonic() - began > 1800 or sum(self.failures.values()) > 1000:
                break
        return time.monotonic() - began

    def close(self):
        for talker in [*self.resting, *self.talking.values()]:
            if talker.socket:
                talker.socket.close()

    # One connection

    def begin(self, talker: Talker):
        """A batch of random users' requests."""
        if talker.socket is None:
            talker.socket = socket.create_connection(("127.0.0.1", self.port), 20)
            talker.socket.setblocking(False)
            self.reopened += 1
        parts = []
        for _ in range(random.randint(1, 12)):
            credential = random.choice(self.credentials)
            self.number += 1
            marker = b"%d" % self.number
            parts.append(b"GET /u?n=" + marker + credential.head)
            talker.expected.append((marker, credential.subject))
        talker.unsent = b"".join(parts)
        self.talking[talker.socket.fileno()] = talker
        self.poll.register(talker.socket, select.EPOLLIN | select.EPOLLOUT)
        self.send(talker)

    def send(self, talker: Talker):
        try:
            talker.unsent = talker.unsent[talker.socket.send(talker.unsent):]
        except BlockingIOError:
            return
        except OSError as error:
            return self.lost(talker, errno.errorcode.get(error.errno, "OSError"))
        if not talker.unsent:
            if random.random() < self.aborts:
                return self.break_off(talker)
            self.poll.modify(talker.socket, select.EPOLLIN)

    def ready(self, talker: Talker, event: int):
        if event & select.EPOLLOUT and talker.unsent:
            self.send(talker)
        if talker.socket is None or not event & ~select.EPOLLOUT:
            return
        try:
            part = talker.socket.recv(262_144)
        except BlockingIOError:
            return
        except OSError as error:
            return self.lost(talker, errno.errorcode.get(error.errno, "OSError"))
        if not part:
            return self.lost(talker, "closed")
        talker.heard += part
        self.check(talker)

    def check(self, talker: Talker):
        """Takes answers off what was heard, and holds each against what was asked."""
        at, heard, closes = 0, talker.heard, False
        while (end := heard.find(b"\r\n\r\n", at)) >= 0 and talker.expected:
            head = heard[at:end]
            length = int(LENGTH.search(head)[1])
            if len(heard) < end + 4 + length:
                break
            body = heard[end + 4:end + 4 + length]
            at = end + 4 + length
            self.judge(talker.expected.popleft(), head[9:12], body)
            if b"onnection: close" in head:
                closes = True
                break
        talker.heard = heard[at:]
        if not talker.expected or closes:
            if talker.heard and not closes:
                self.wrong.append(f"octets behind the last answer: {talker.heard[:100]!r}")
            self.rest(talker, stays=not closes and not talker.heard)

    def judge(self, expected: tuple[bytes, bytes | None], status: bytes, body: bytes):
        marker, subject = expected
        self.answers += 1
        if status == b"401":
            self.refused += 1
            if subject is not None or b"user-" in body:
                self.wrong.append(f"401 for {subject!r}: {body[:100]!r}")
        elif status != b"200":
            self.failures[status.decode()] += 1
        elif subject is None or body != marker + b" " + subject:
            self.wrong.append(f"wanted {marker!r} {subject!r}: {body[:100]!r}")

    def rest(self, talker: Talker, stays: bool):
        """Its answers are all here: others have their turn."""
        self.talking.pop(talker.socket.fileno(), None)
        self.poll.unregister(talker.socket)
        if not stays:
            talker.socket.close()
            talker.socket = None
        talker.heard, talker.unsent = b"", b""
        talker.expected.clear()
        self.resting.insert(random.randint(0, len(self.resting)), talker)

    def break_off(self, talker: Talker):
        """The client goes away amid its answers, with RST."""
        self.broken_off += 1
        self.talking.pop(talker.socket.fileno(), None)
        self.poll.unregister(talker.socket)
        abort(talker.socket)
        talker.socket = None
        talker.heard, talker.unsent = b"", b""
        talker.expected.clear()
        self.resting.append(talker)

    def lost(self, talker: Talker, why: str):
        """The connection ended while answers were due."""
        self.failures[why] += 1
        self.rest(talker, stays=False)
