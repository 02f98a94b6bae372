"""A crowd of bad clients in one thread: they open, say something, drip or sip, and note when they are thrown out."""
import collections
import errno
import select
import socket
import struct
import time

ABORT = struct.pack("ii", 1, 0)


class Member:
    """One connection of the crowd."""

    __slots__ = ("socket", "opened", "unsent", "heard", "octets")

    def __init__(self, link: socket.socket, opening: bytes):
        self.socket, self.opened, self.unsent = link, time.monotonic(), opening
        self.heard, self.octets = b"", 0


class Crowd:
    """`count` connections to `port`, opened at `rate` a second.

    Each says `opening`; then, every `every` seconds, sends `drip` or takes `sip` octets (which leaves the rest unread).
    `again` opens a new connection in the place of one that was thrown out.
    """

    def __init__(self, port: int, count: int, opening: bytes = b"", drip: bytes = b"", every: float = 1.0, sip: int = 0,
                 rate: float = 500, again: bool = False):
        self.port, self.count, self.opening, self.drip = port, count, opening, drip
        self.every, self.sip, self.rate, self.again = every, sip, rate, again
        self.members: dict[int, Member] = {}
        self.due: collections.deque[tuple[float, Member]] = collections.deque()
        self.poll = select.epoll()
        self.lifetimes: list[float] = []
        self.statuses: collections.Counter[str] = collections.Counter()
        self.octets, self.opened, self.refused = 0, 0, 0
        self.next_open = 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leave()

    def run(self, seconds: float, watch=None):
        """Goes on for `seconds`; `watch` is called four times a second and ends it early by saying True."""
        end, look = time.monotonic() + seconds, 0.0
        while (now := time.monotonic()) < end:
            self.open_due(now)
            self.act_due(now)
            for number, event in self.poll.poll(0.01):
                self.ready(self.members[number], event)
            if watch and now >= look:
                look = now + 0.25
                if watch():
                    return

    def leave(self):
        """Everybody goes."""
        for member in list(self.members.values()):
            self.drop(member)

    # Opening

    def open_due(self, now: float):
        self.next_open = max(self.next_open, now - 0.1)
        while self.next_open <= now and len(self.members) < self.count and (self.again or self.opened < self.count):
            self.next_open += 1 / self.rate
            self.open()

    def open(self):
        link = socket.socket()
        link.setblocking(False)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.sip:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        failure = link.connect_ex(("127.0.0.1", self.port))
        if failure not in (0, errno.EINPROGRESS):
            self.refused += 1
            return link.close()
        self.opened += 1
        member = Member(link, self.opening)
        self.members[link.fileno()] = member
        self.poll.register(link, (0 if self.sip else select.EPOLLIN) | select.EPOLLOUT)
        if self.drip or self.sip:
            self.due.append((time.monotonic() + self.every, member))

    # What happens

    def ready(self, member: Member, event: int):
        try:
            if event & select.EPOLLOUT:
                self.say(member)
            if event & select.EPOLLIN:
                self.hear(member, 65536)
            elif event & (select.EPOLLERR | select.EPOLLHUP):
                self.thrown_out(member)
        except BlockingIOError:
            pass
        except OSError:
            self.thrown_out(member)

    def say(self, member: Member):
        if member.unsent:
            member.unsent = member.unsent[member.socket.send(member.unsent):]
        if not member.unsent:
            self.poll.modify(member.socket, 0 if self.sip else select.EPOLLIN)

    def hear(self, member: Member, size: int):
        part = member.socket.recv(size)
        if not part:
            return self.thrown_out(member)
        self.octets += len(part)
        member.octets += len(part)
        if len(member.heard) < 12:
            member.heard = (member.heard + part)[:12]

    def act_due(self, now: float):
        while self.due and self.due[0][0] <= now:
            _, member = self.due.popleft()
            if member.socket.fileno() < 0:
                continue
            try:
                if self.sip:
                    self.hear(member, self.sip)
                elif not member.unsent:
                    member.socket.send(self.drip)
            except BlockingIOError:
                pass
            except OSError:
                self.thrown_out(member)
                continue
            if member.socket.fileno() >= 0:
                self.due.append((now + self.every, member))

    def thrown_out(self, member: Member):
        self.lifetimes.append(time.monotonic() - member.opened)
        self.drop(member)

    def drop(self, member: Member):
        self.statuses[member.heard[9:12].decode("latin-1") or "none"] += 1
        self.members.pop(member.socket.fileno(), None)
        member.socket.close()

    def closed_within(self, seconds: float) -> float:
        """The percentage of those that came and were thrown out within `seconds`, of all that were here as long as that."""
        now = time.monotonic()
        overdue = sum(1 for member in self.members.values() if now - member.opened > seconds)
        in_time = sum(1 for life in self.lifetimes if life <= seconds)
        total = len(self.lifetimes) + overdue
        return 100 * in_time / total if total else 0.0


def abort(link: socket.socket):
    """Closes with RST."""
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    link.close()
