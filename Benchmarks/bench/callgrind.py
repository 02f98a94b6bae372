"""The program under callgrind: its instructions and calls between two points."""
import collections
import pathlib
import re
import subprocess

from support.processes import wait_until


class Part:
    """What was spent between two readings: each function's own instructions, and who called whom how often."""

    def __init__(self, text: str):
        self.names: dict[tuple[str, str], str] = {}
        self.cost: dict[tuple[str, str], float] = collections.Counter()
        self.calls: dict[tuple[str, str], float] = collections.Counter()
        self.image = self.function = self.callee = "?"
        self.inside_call = False
        for line in text.splitlines():
            self.read(line)

    def full(self, kind: str, text: str) -> str:
        """A name; it is spelled out the first time and a number later. Recursion's marks are left out."""
        number, _, name = text.partition(" ")
        if name:
            self.names[kind, number] = re.sub(r"'\d+$", "", name)
        return self.names.get((kind, number), text)

    def read(self, line: str):
        """`fn=` opens a function; the line after `calls=` has its callee's cost, every other its own."""
        word, _, rest = line.partition("=")
        if word == "ob":
            self.image = pathlib.Path(self.full("ob", rest)).name
        elif word == "fn":
            self.function = self.full("fn", rest)
        elif word == "cob":
            self.full("ob", rest)
        elif word == "cfn":
            self.callee = self.full("fn", rest)
        elif word == "calls":
            self.calls[self.function, self.callee] += int(rest.split()[0])
            self.inside_call = True
        elif line and line[0] in "0123456789+-*":
            if not self.inside_call:
                self.cost[self.function, self.image] += int(line.split()[1])
            self.inside_call = False

    def more_than(self, other: "Part", requests: int):
        """(cost, calls) a request: what this part has above another that answered `requests` fewer."""
        return tuple(
            {key: (value - theirs.get(key, 0)) / requests for key, value in mine.items()}
            for mine, theirs in ((self.cost, other.cost), (self.calls, other.calls)))


class Callgrind:
    """A way to start the program under callgrind, and to read what it spent."""

    def __init__(self, folder: pathlib.Path):
        self.folder, self.parts = folder, 0

    def wrap(self, program: str) -> pathlib.Path:
        """A program that runs this one under callgrind, without the debug information that valgrind cannot read."""
        stripped, file = self.folder / "gatehouse-stripped", self.folder / "gatehouse-counted"
        subprocess.run(["strip", "-g", "-o", str(stripped), program], check=True)
        file.write_text(
            f"#!/bin/sh\nexec valgrind --tool=callgrind --quiet --vgdb=yes --vgdb-prefix={self.folder}/vgdb"
            f" --callgrind-out-file={self.folder}/out {stripped} \"$@\"\n")
        file.chmod(0o755)
        return file

    def read(self, pid: int, name: str) -> Part:
        """What was spent since the last reading."""
        subprocess.run(
            ["vgdb", f"--pid={pid}", f"--vgdb-prefix={self.folder}/vgdb", "dump", name], check=True,
            capture_output=True, timeout=120)
        self.parts += 1
        file = self.folder / f"out.{self.parts}"
        wait_until(lambda: file.exists() and "totals:" in file.read_text(errors="replace")[-2000:], "callgrind wrote")
        return Part(file.read_text(errors="replace"))
