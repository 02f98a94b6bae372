"""D19 sanitizers: the unit tests under AddressSanitizer with LeakSanitizer and under ThreadSanitizer; 200 clients under the latter."""
import collections
import os
import pathlib
import re
import signal
import subprocess
import time

from Drills.bars import NotHere, least, most
from Drills.d22_identity import shown
from Drills.crosstalk import Crosstalk
from Drills.site import Site
from support.gatehouse import ROOT, openid_connect, route, service
from support.issuer import Issuer

REPORT = re.compile(r"(?:ERROR: AddressSanitizer|ERROR: LeakSanitizer|WARNING: ThreadSanitizer)[^\n]*")
SUITES = {"address": "AddressSanitizer and LeakSanitizer", "thread": "ThreadSanitizer"}
BARS = [
    *(bar for kind, text in SUITES.items() for bar in (
        most(f"{kind} reports", f"test suite under {text}: reports", 0),
        most(f"{kind} failed", f"test suite under {text}: exit code", 0))),
    most("program reports", "program under ThreadSanitizer, 200 clients: reports", 0),
    least("program answers", "program under ThreadSanitizer: answers that were checked", 20_000),
    most("program wrong", "program under ThreadSanitizer: wrong or failed answers", 0),
]


def drill(site: Site) -> dict:
    if site.quick:
        return {bar.name: NotHere("long: in a full run only") for bar in BARS}
    # What is built needs both cores.
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    figures = {}
    for kind in SUITES:
        figures |= suite(site, kind)
    return figures | clients(site)


def folder(kind: str) -> pathlib.Path:
    """Where what is built for a sanitizer stands."""
    return ROOT / f".build-{kind}"


def options() -> dict[str, str]:
    """Reports end nothing, so that all are found; what is none is named in the files beside, with the reason."""
    known = {kind: f"suppressions={pathlib.Path(__file__).with_name(f'{kind}.txt')}" for kind in ("lsan", "tsan")}
    return {"ASAN_OPTIONS": "detect_leaks=1:halt_on_error=0", "LSAN_OPTIONS": known["lsan"],
            "TSAN_OPTIONS": f"halt_on_error=0:exitcode=66:{known['tsan']}"}


def suite(site: Site, kind: str) -> dict:
    """All unit tests under one sanitizer."""
    began = time.monotonic()
    answer = subprocess.run(
        ["swift", "test", "--disable-xctest", "--sanitize", kind, "--scratch-path", folder(kind)], cwd=ROOT, env={**os.environ, **options()},
        capture_output=True, text=True, errors="replace", check=False)
    said = answer.stdout + answer.stderr
    (folder(kind) / "drill.log").write_text(said)
    tests = re.search(r"Test run with (\d+) tests?[^\n]*", said)
    site.note(f"{SUITES[kind]}: {tests[0] if tests else 'no test ran'}; {time.monotonic() - began:.0f} s with the build")
    tell(site, said)
    return {f"{kind} reports": len(REPORT.findall(said)), f"{kind} failed": answer.returncode if tests else "no test ran"}


def clients(site: Site) -> dict:
    """The program, built with ThreadSanitizer, with two workers, 200 clients and reloads."""
    built = subprocess.run(
        ["swift", "build", "--sanitize", "thread", "--scratch-path", folder("thread"), "--product", "gatehouse"], cwd=ROOT,
        capture_output=True, text=True, check=False)
    if built.returncode:
        raise RuntimeError(f"the program does not build: {built.stdout[-500:]}")
    port = site.backend("location /u { return 200 '$arg_n $http_x_subject'; }")
    with site.instead(folder("thread") / "debug/gatehouse"), Issuer() as issuer:
        gatehouse = site.gatehouse({"services": [service(f"http://127.0.0.1:{port}", route("users", "/u", plugins=[
            openid_connect(issuer, upstream_headers_claims=["sub"], upstream_headers_names=["X-Subject"])]))]},
            GATEHOUSE_WORKERS="2", GATEHOUSE_LIMIT_HEAD_SECONDS="600", **options())
        talk = Crosstalk(gatehouse.port, shown(issuer, gatehouse, 40, 5), 200, 200, aborts=0.02)
        talk.run(20_000, lambda: gatehouse.process.signal(signal.SIGHUP))
        talk.close()
        gatehouse.metrics()
        gatehouse.stop()
    said = gatehouse.text()
    tell(site, said)
    site.note(f"program under ThreadSanitizer: {talk.answers} answers, failures {dict(talk.failures)}")
    return {"program reports": len(REPORT.findall(said)), "program answers": talk.answers,
            "program wrong": len(talk.wrong) + sum(talk.failures.values())}


def tell(site: Site, said: str):
    """What the sanitizers reported, by kind and place."""
    places = collections.Counter(match[:160] for match in re.findall(r"SUMMARY: \w+Sanitizer: [^\n]*", said))
    for place, count in places.most_common(8):
        site.note(f"{count} x {place}")
