"""D13 killed while it writes: SIGKILL at any moment of a first start, of a start with state, and of a change of keys."""
import os
import pathlib
import random
import shutil
import time

import httpx

from Drills.bars import least, most
from Drills.journeys import Journey
from Drills.site import Site
from support.browser import NAVIGATION
from support.gatehouse import Gatehouse, openid_connect, program, route, run, service
from support.issuer import Issuer
from support.processes import Process

BARS = [
    least("rounds", "rounds", 500, full_only=True),
    most("starts", "starts after a kill that failed", 0),
    most("lost", "sessions of before that were lost", 0),
    most("half", "files that were left half or beside", 0),
    most("open", "files that others may read", 0),
]


def drill(site: Site) -> dict:
    port, rounds = site.backend(), site.pick(500, 12)
    with Issuer() as issuer:
        gatehouse = site.gatehouse({"services": [service(f"http://127.0.0.1:{port}", route("web", "/", plugins=[
            openid_connect(issuer)]))]}, GATEHOUSE_DRAIN_SECONDS="1")
        user = Journey(gatehouse)
        if not user.end().is_in:
            raise RuntimeError("the first login failed")
        scene = Scene(site, gatehouse, user.cookies())
        gatehouse.stop()
        for number in range(rounds):
            scene.round(number)
    for text in scene.said[:5]:
        site.note(text)
    site.note(f"{rounds} rounds: {scene.kinds}")
    for name in sorted(scene.half):
        site.note(f"left: {name}")
    return {"rounds": rounds, "starts": scene.failed, "lost": scene.lost, "half": len(scene.half), "open": len(scene.readable)}


class Scene:
    """One program that is killed again and again, and what it finds afterwards."""

    def __init__(self, site: Site, gatehouse: Gatehouse, cookies: str):
        self.site, self.gatehouse, self.cookies = site, gatehouse, cookies
        self.failed = self.lost = 0
        self.half: set[str] = set()
        self.readable: set[str] = set()
        self.said: list[str] = []
        self.kinds = {"first start": 0, "start": 0, "new key": 0}
        self.ways = [self.kill_first_start, self.kill_start, self.kill_new_key]

    def round(self, number: int):
        self.ways[number % len(self.ways)]()
        self.look(self.gatehouse.folder)

    def kill_first_start(self):
        """Neither keys nor data are there: afterwards another start makes them."""
        self.kinds["first start"] += 1
        fresh = Gatehouse(self.site.folder / "fresh", self.gatehouse.file.read_text())
        fresh.spawn()
        self.kill(fresh.process)
        self.again(fresh)
        self.look(fresh.folder)
        shutil.rmtree(fresh.folder)

    def kill_start(self):
        """A start with keys and an issuer's kept keys."""
        self.kinds["start"] += 1
        self.gatehouse.spawn()
        self.kill(self.gatehouse.process)
        self.again(self.gatehouse, self.cookies)

    def kill_new_key(self):
        """A key is added; the older ones go on to open sessions."""
        self.kinds["new key"] += 1
        keys = self.gatehouse.environment["GATEHOUSE_KEYS_DIR"]
        self.kill(Process([program(), "keys", "generate", "--dir", keys], str(self.site.folder / "keys.log")))
        listed = run("keys", "list", "--dir", keys)
        if listed.returncode:
            self.failed += 1
            self.said.append(f"keys list: {listed.stderr.strip()[:200]}")
        self.again(self.gatehouse, self.cookies)

    @staticmethod
    def kill(process: Process):
        """Most of the writing is done in the first tenth of a second."""
        time.sleep(random.uniform(0, 0.02) if random.random() < 0.3 else random.uniform(0.01, 0.15))
        process.kill()

    @staticmethod
    def age(folder: pathlib.Path):
        """Two minutes pass for what was left behind: a younger draft may still be another program's."""
        for file in folder.rglob("*.new"):
            os.utime(file, (time.time() - 120,) * 2)

    def again(self, gatehouse: Gatehouse, cookies: str | None = None):
        """A start after a kill works, and knows whom it knew."""
        try:
            self.age(gatehouse.folder)
            gatehouse.start()
            if cookies is None:
                return
            answer = httpx.get(gatehouse.url + "/", headers={**NAVIGATION, "Cookie": cookies}, timeout=10)
            self.lost += answer.status_code != 200
        except (RuntimeError, TimeoutError) as error:
            self.failed += 1
            self.said.append(f"a start: {str(error)[-300:]}")
        finally:
            gatehouse.stop()

    def look(self, folder: pathlib.Path):
        """No file lies about that nobody reads, and none for others."""
        for kind in ("data", "keys"):
            for file in (folder / kind).rglob("*"):
                # What only grows, a line at a time, begins empty.
                is_empty = file.is_file() and file.stat().st_size == 0 and file.name != "ended-sessions"
                if is_empty or any(mark in file.name for mark in (".tmp", ".new", "~", ".part")):
                    self.half.add(file.name)
                if file.is_file() and file.stat().st_mode & 0o077:
                    self.readable.add(file.name)
