"""Programs that a test starts, and the ports they listen on."""
import os
import signal
import socket
import subprocess
import time


def _ports():
    """Ports below those that the system gives to connections: a part for each worker of a run, each run beginning elsewhere."""
    count = 5_500
    first = 10_000 + count * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4)
    start = int.from_bytes(os.urandom(2)) % count
    while True:
        yield first + start
        start = (start + 1) % count


_next_ports = _ports()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that nobody else who asks here is told for a while."""
    for port in _next_ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_until(condition, what: str, seconds: float = 20.0):
    """Asks `condition` until it is true, and returns its answer."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def accepts(port: int) -> bool:
    """Whether somebody listens on `port`."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


class Process:
    """A program in a process group of its own, with what it said in a file."""

    def __init__(self, command: list[str], log: str, environment: dict[str, str] | None = None, folder: str | None = None):
        self.log = log
        with open(log, "ab") as said:
            self.popen = subprocess.Popen(
                command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, cwd=folder,
                env=environment, start_new_session=True)

    @property
    def alive(self) -> bool:
        return self.popen.poll() is None

    def signal(self, number: int):
        """Sends the program (not its children) a signal."""
        self.popen.send_signal(number)

    def wait(self, seconds: float = 20.0) -> int:
        """Waits for the program's end and returns its exit status."""
        return self.popen.wait(seconds)

    def stop(self, seconds: float = 15.0) -> int:
        """Asks the program to end, insists after `seconds`, and leaves nothing of its group behind."""
        if self.alive:
            self.popen.terminate()
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
        return self.kill()

    def kill(self) -> int:
        """Ends the program and its children at once."""
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return self.popen.wait(10)

    def said(self) -> str:
        """All that the program has written so far."""
        with open(self.log, encoding="utf-8", errors="replace") as text:
            return text.read()
