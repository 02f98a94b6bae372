"""D14 disk and descriptor faults: a full disk, a disk that cannot be written, and calls of the system that fail for a while."""
import base64
import contextlib
import pathlib
import subprocess
import time

import httpx

from Drills.bars import Bar, NotHere, most
from Drills.journeys import Journey, until_in
from Drills.site import Site, Vitals
from support.gatehouse import Gatehouse, openid_connect, plugin, route, run, service
from support.issuer import Issuer
from support.processes import Process, wait_until
from support.rawsocket import RawConnection

# Each fault of a running program: what strace injects, and what it is.
CALLS = {
    "connect": ("connect:error=ETIMEDOUT", "connecting times out"),
    "accept": ("accept4,accept:error=EMFILE", "accepting finds no descriptor"),
    "open": ("openat:error=EMFILE", "opening finds no descriptor"),
    "sync": ("fsync,fdatasync:error=EIO", "writing through fails"),
    "random": ("getrandom:error=EAGAIN", "there is no randomness"),
}


def bars() -> list[Bar]:
    return [bar for name, (_, said) in CALLS.items() for bar in [
        most(f"{name} crashes", f"{said}: crashes", 0),
        most(f"{name} passed", f"{said}: requests without a credential that passed", 0),
        most(f"{name} lost", f"{said}: open connections of before whose next request failed", 0),
        most(f"{name} back", f"{said}: new requests and logins work after it", 5, " s"),
        most(f"{name} reload", f"{said}: exit of a reload after it", 0)]]


BARS = [
    *bars(),
    most("busy", "accepting finds no descriptor: CPU meanwhile", 20, " %", full_only=True),
    most("twice", "nonces of sealed cookies that came twice", 0),
    most("full starts", "a full disk: starts that neither serve nor say why in one line", 0),
    most("full after", "a full disk: starts that fail once there is room", 0),
    most("full running", "a full disk under a running program: failed requests", 0),
    most("read-only", "a disk that cannot be written: starts that neither serve nor say why in one line", 0),
]


def drill(site: Site) -> dict:
    port, nonces, figures = site.backend(), [], {}
    with Issuer() as issuer:
        configuration = {"services": [service(
            f"http://127.0.0.1:{port}", route("open", "/open"), route("web", "/web", plugins=[openid_connect(issuer)]),
            route("key", "/key", plugins=[plugin("key-auth")]))]}
        gatehouse = site.gatehouse(configuration, GATEHOUSE_WORKERS="2")
        for name, (injected, _) in CALLS.items():
            figures |= fault(site, gatehouse, name, injected, nonces)
        figures |= disks(site, configuration)
    return {**figures, "twice": len(nonces) - len(set(nonces))}


@contextlib.contextmanager
def injected(site: Site, gatehouse: Gatehouse, what: str):
    """The running program's calls fail as told, as long as this lasts."""
    calls = what.split(":", 1)[0]
    log = site.folder / "strace.log"
    tracer = Process(["strace", "-f", "-q", "-p", str(gatehouse.process.popen.pid), "-o", str(log), "-e", f"trace={calls}",
                      "-e", f"inject={what}"], str(site.folder / "strace.said"))
    try:
        wait_until(lambda: traced(gatehouse), "strace is there")
        yield
    finally:
        tracer.stop()


def traced(gatehouse: Gatehouse) -> bool:
    """Whether all threads have a tracer."""
    tasks = pathlib.Path(f"/proc/{gatehouse.process.popen.pid}/task")
    return all("TracerPid:\t0" not in (task / "status").read_text() for task in tasks.iterdir())


def fault(site: Site, gatehouse: Gatehouse, name: str, what: str, nonces: list[str]) -> dict:
    """One kind of call fails for a while; what is asked meanwhile, and after."""
    kept, vitals = [RawConnection(gatehouse.port) for _ in range(5)], Vitals(gatehouse)
    for connection in kept:
        asked(connection, "/open")
    journeys = [Journey(gatehouse, "/web") for _ in range(5)]
    passed, busy, ends = 0, 0.0, []
    with injected(site, gatehouse, what):
        before, began = vitals.cpu(), time.monotonic()
        for path in ("/key", "/web"):
            with contextlib.suppress(httpx.TransportError):
                passed += httpx.get(gatehouse.url + path, timeout=2).status_code == 200
        # The origin's connections are kept: a request of a kept connection needs no call that fails.
        lost = 0 if name == "connect" else sum(asked(connection, "/open") != 200 for connection in kept)
        if name != "accept":
            ends = [journey.end() for journey in journeys]
        time.sleep(site.pick(3, 0.5))
        busy = 100 * (vitals.cpu() - before) / (time.monotonic() - began)
    for journey in journeys:
        nonces += [salt_and_nonce(value) for name, value in journey.browser.cookies.items() if "-landing-" not in name]
    back = until_in(gatehouse, 10, "/web")
    reloaded = run("reload", environment=gatehouse.environment, folder=gatehouse.folder, seconds=20).returncode
    site.note(f"{name}: logins meanwhile {sorted({end.status for end in ends})}, CPU {busy:.0f} %, well after {back:.2f} s")
    for one in [*kept, *journeys]:
        one.close()
    figures = {f"{name} crashes": float(not vitals.alive()), f"{name} passed": passed, f"{name} lost": lost, f"{name} back": back,
        f"{name} reload": reloaded}
    return {**figures, "busy": busy} if name == "accept" else figures


def salt_and_nonce(cookie: str) -> bytes:
    """What must never come twice: behind the number of parts, version and key id; 16 and 12 octets."""
    octets = base64.urlsafe_b64decode(cookie[2:46])[5:33]
    if len(octets) != 28:
        raise ValueError("a cookie that is not sealed")
    return octets


def asked(connection: RawConnection, path: str) -> int:
    """The status of one request on a connection; 0 without an answer."""
    try:
        connection.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        answer = connection.read()
    except OSError:
        return 0
    return answer.status if answer else 0


# Disks

def disks(site: Site, configuration: dict) -> dict:
    """A disk of 64 KB that is full, then has room, then is full again under a running program; and one that is read-only."""
    place = site.folder / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", str(place)], check=False).returncode:
        return dict.fromkeys(("full starts", "full after", "full running", "read-only"), NotHere("no tmpfs can be mounted"))
    try:
        return on_disk(site, configuration, place)
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def on_disk(site: Site, configuration: dict, place: pathlib.Path) -> dict:
    folders = {"GATEHOUSE_DATA_DIR": str(place / "data"), "GATEHOUSE_KEYS_DIR": str(place / "keys")}
    fill(place)
    silent = not serves_or_says(Gatehouse(site.folder / "on-full", configuration, **folders))
    (place / "filling").unlink()
    figures = {"full starts": float(silent), "full after": 0.0}
    try:
        gatehouse = site.gatehouse(configuration, "on-small", **folders)
    except RuntimeError as error:
        site.note(f"after the full disk: {str(error)[-200:]}")
        return {**figures, "full after": 1.0, "full running": 1.0, "read-only": 1.0}
    fill(place)
    statuses = [httpx.get(gatehouse.url + "/open", timeout=5).status_code for _ in range(50)]
    journey = Journey(gatehouse, "/web")
    statuses.append(200 if journey.end().is_in else 0)
    journey.close()
    gatehouse.stop()
    (place / "filling").unlink()
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    mute = not serves_or_says(Gatehouse(site.folder / "on-read-only", configuration, **folders))
    return {**figures, "full running": sum(status != 200 for status in statuses), "read-only": float(mute)}


def fill(place: pathlib.Path):
    """Takes all the room there is."""
    with open(place / "filling", "ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 512)


def serves_or_says(gatehouse: Gatehouse) -> bool:
    """Whether a start either serves, or ends with 1 and a line that says why."""
    gatehouse.spawn()
    try:
        wait_until(lambda: not gatehouse.process.alive or gatehouse.ready(), "it serves or ends")
        if gatehouse.process.alive:
            return True
        return gatehouse.process.wait() == 1 and "cannot start" in gatehouse.text()
    except (RuntimeError, TimeoutError):
        return gatehouse.process.wait(5) == 1 and "cannot start" in gatehouse.text()
    finally:
        gatehouse.stop()
