"""The good client: wrk on keep-alive connections, before an attack and during it."""
import contextlib
import pathlib
import re
import signal
import subprocess

from Drills.bars import Bar, most
from Drills.site import LOAD_CORE

LUA = pathlib.Path(__file__).with_name("load.lua")


class Round:
    """What came of a round of good requests."""

    def __init__(self, said: str):
        found = re.search(r"result (\d+) (\d+) (\d+) (\d+)", said)
        if not found:
            raise RuntimeError(f"wrk said: {said[-500:]}")
        self.answers, self.failures, p50, p99 = map(int, found.groups())
        self.p50, self.p99 = p50 / 1000, p99 / 1000


class GoodClient:
    """Asks for `path` over `connections` as fast as it is answered, with `fields` such as `Cookie: a=b`."""

    def __init__(self, port: int, path: str = "/", connections: int = 16, fields: list[str] | None = None):
        self.url, self.connections = f"http://127.0.0.1:{port}{path}", connections
        self.fields = [word for field in fields or [] for word in ("-H", field)]
        self.round(1)

    def start(self, seconds: float) -> subprocess.Popen:
        """Begins a round."""
        return subprocess.Popen(
            ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{self.connections}", f"-d{max(1, round(seconds))}s",
             "--timeout", "5s", *self.fields, "-s", str(LUA), self.url],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def round(self, seconds: float) -> Round:
        """A whole round."""
        return self.end(self.start(seconds))

    @staticmethod
    def end(process: subprocess.Popen) -> Round:
        return Round(process.communicate(timeout=600)[0])

    @contextlib.contextmanager
    def beside(self):
        """A round while something else goes on, however long; its result is in the list that is given, afterwards."""
        result: list[Round] = []
        process = self.start(3600)
        try:
            yield result
            process.send_signal(signal.SIGINT)
            result.append(self.end(process))
        finally:
            process.kill()
            process.wait()


def good_bars(prefix: str, during: str) -> list[Bar]:
    """The bars of a good client beside an attack."""
    return [
        most(f"{prefix}failures", f"{during}: a good client's failures", 0),
        most(f"{prefix}p99", f"{during}: its p99, to before", 2.0, "x", full_only=True)]


def good_figures(prefix: str, before: Round, during: Round) -> dict:
    """What is held against them; a round without answers has failed."""
    return {f"{prefix}failures": during.failures if during.answers else float("inf"),
            f"{prefix}p99": during.p99 / before.p99}
