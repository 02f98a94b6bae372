"""D1 slowloris: heads that never end, an octet a second, for as long as the attacker likes."""
import re
import subprocess

from Drills.bars import least, most
from Drills.crowd import Crowd
from Drills.good import GoodClient, good_bars, good_figures
from Drills.site import LOAD_CORE, Site, Vitals, plain

BARS = [
    *good_bars("", "2,000 slow heads"),
    least("closed", "slow connections closed by the head limit + 5 s", 99, " %"),
    most("memory", "resident memory a slow connection", 20, " KB"),
    most("files", "descriptors back to the start within", 10, " s"),
    most("slowhttptest", "slowhttptest -H finds the service away", 0, " times"),
]


def drill(site: Site) -> dict:
    limit = site.pick(10, 2)
    gatehouse = site.gatehouse(plain(site.backend()), GATEHOUSE_LIMIT_HEAD_SECONDS=str(limit))
    vitals, good = Vitals(gatehouse), GoodClient(gatehouse.port)
    before = good.round(site.pick(10, 2))
    memory, peak = vitals.memory(), [0.0]
    count, seconds = site.pick(2000, 300), site.pick(40, 10)

    def watch():
        if len(crowd.members) > count * 0.9:
            peak[0] = max(peak[0], (vitals.memory() - memory) / len(crowd.members))

    with Crowd(gatehouse.port, count, b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ", b"a", again=True) as crowd:
        with good.beside() as during:
            crowd.run(seconds, watch)
        closed = crowd.closed_within(limit + 5)
    site.note(f"{crowd.opened} slow connections came, {len(crowd.lifetimes)} were thrown out, by status "
              f"{dict(crowd.statuses)}; good answers {during[0].answers}, p99 {before.p99:.2f} ms before, {during[0].p99:.2f} during")
    return {**good_figures("", before, during[0]), "closed": closed, "memory": peak[0],
            "files": vitals.files_back(), "slowhttptest": slowhttptest(site, gatehouse.port)}


def slowhttptest(site: Site, port: int) -> float:
    """What another's tool of the same kind finds."""
    said = subprocess.run(
        ["taskset", "-c", str(LOAD_CORE), "slowhttptest", "-H", "-c", str(site.pick(1000, 100)), "-r", "200", "-i", "1",
         "-l", str(site.pick(20, 4)), "-x", "24", "-p", "3", "-u", f"http://127.0.0.1:{port}/"],
        capture_output=True, text=True, timeout=120, check=False).stdout
    plainly = re.sub(r"\x1b\[[\d;]*m", "", said)
    if not re.search(r"service available:\s+YES", plainly):
        raise RuntimeError(f"slowhttptest said: {plainly[-300:]}")
    return len(re.findall(r"service available:\s+NO", plainly))
