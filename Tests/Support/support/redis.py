"""A Redis of a test's own: every write is on the disk before it is answered, so that it may be killed."""
import pathlib
import signal
import socket

from support.processes import Process, accepts, free_port, wait_until


class Redis:
    """`redis-server` on a port of its own; a second start finds what was there."""

    def __init__(self, folder, *flags: str, password: str | None = None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, self.flags, self.password = free_port(), flags, password
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: Process | None = None

    def start(self):
        self.process = Process(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "",
             "--appendonly", "yes", "--appendfsync", "always", "--daemonize", "no", *self.flags],
            str(self.folder / "redis.log"))
        wait_until(self.up, "redis is up")
        return self

    def up(self) -> bool:
        if not self.process.alive:
            raise RuntimeError("redis ended:\n" + self.process.said()[-2000:])
        return accepts(self.port) and self.ask("PING") in (b"PONG", None)

    def stop(self):
        """Ends it as its operator would."""
        if self.process:
            self.process.signal(signal.SIGCONT)
            self.process.stop()

    def kill(self):
        """Ends it as a power cut would."""
        self.process.kill()

    def hang(self):
        """It keeps its connections and answers nothing any more."""
        self.process.signal(signal.SIGSTOP)

    def go_on(self):
        self.process.signal(signal.SIGCONT)

    # What is in it

    def ask(self, *words: str):
        """One command's answer; None for an error."""
        return ask(self.port, *words, password=self.password)

    def keys(self, pattern: str = "*") -> list[str]:
        return sorted(key.decode() for key in self.ask("KEYS", pattern))

    def sessions(self) -> list[str]:
        """The keys of sessions alone."""
        return [key for key in self.keys("gatehouse:*") if self.ask("TYPE", key) == b"hash"]


def ask(port: int, *words: str, password: str | None = None):
    """What whoever listens on `port` answers to one command; None for an error."""
    with socket.create_connection(("127.0.0.1", port), 5) as wire, wire.makefile("rb") as answers:
        for command in ([("AUTH", password)] if password else []) + [words]:
            wire.sendall(b"*%d\r\n" % len(command) + b"".join(
                b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in command))
            answer = _read(answers)
        return answer


def _read(answers):
    line = answers.readline().rstrip(b"\r\n")
    kind, rest = line[:1], line[1:]
    if kind == b"+":
        return rest
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == b"-1" else answers.read(int(rest) + 2)[:-2]
    if kind == b"*":
        return [_read(answers) for _ in range(int(rest))]
    return None
