"""D12 graceful stop and binary restart: SIGTERM under load, and the port handed to a new program."""
import asyncio
import collections
import signal
import subprocess
import threading
import time

from Drills.bars import NotHere, least, most
from Drills.paced import Paced
from Drills.site import SERVER_CORE, Site, on_core, plain
from support.gatehouse import Gatehouse, clean_environment, program, run
from support.processes import Process
from support.rawsocket import RawConnection

DRAIN = 10
BARS = [
    most("lost", "SIGTERM: answers cut off, or other than 200", 0),
    most("met", "SIGTERM: requests that met a closing connection (refused connects are no failure)", 0),
    most("downloads", "SIGTERM: of 20 downloads under way, not whole", 0),
    most("exit", "SIGTERM: exit code", 0),
    most("drained", "SIGTERM: ended within the drain limit", DRAIN, " s"),
    most("stuck", f"SIGTERM amid an endless download: ended within the drain limit ({DRAIN} s) + 2 s", DRAIN + 2, " s"),
    most("handover", "handover to a new program: failed requests, refused connects too", 0),
    most("cut", "handover: of 20 downloads under way, not whole", 0),
    most("left", "handover: old programs that did not end with 0", 0),
    least("handed", "handover: requests that the new program answered", 100),
]


def drill(site: Site) -> dict:
    port = site.backend("location /endless/ { alias {folder}/files/; limit_rate 1k; }")
    site.file("part", site.pick(250_000, 100_000))
    site.file("endless", 100_000_000)
    return {**stop(site, port), **stuck(site, port), **handover(site, port)}


def start(site: Site, port: int, name: str, **environment: str) -> Gatehouse:
    return site.gatehouse(plain(port), name, GATEHOUSE_WORKERS="2", GATEHOUSE_DRAIN_SECONDS=str(DRAIN), **environment)


def stop(site: Site, port: int) -> dict:
    """SIGTERM while requests come at a pace and downloads are under way."""
    gatehouse = start(site, port, "stopped")
    load = Paced(gatehouse.port, 500)
    downloads = [download(gatehouse.port, "/slow/part") for _ in range(20)]
    moments = {}

    async def trouble():
        await asyncio.sleep(site.pick(3, 1))
        moments["term"] = time.monotonic()
        gatehouse.process.signal(signal.SIGTERM)
        moments["exit"] = await asyncio.to_thread(gatehouse.process.wait, DRAIN + 20)
        moments["end"] = time.monotonic()

    load.run(trouble())
    lost = [asked for asked in load.asked if asked.fault not in ("", "ConnectionRefusedError") or asked.status >= 300]
    met = [asked for asked in lost if not asked.status]
    said = collections.Counter(asked.fault or asked.status for asked in load.asked)
    site.note(f"SIGTERM: {len(load.asked)} requests: {dict(said)}; connects refused {load.refused_connects}; "
              f"met a closing connection: {dict(collections.Counter(one.method for one in met))}")
    return {
        "lost": len(lost) - len(met), "met": len(met), "exit": moments["exit"],
        "downloads": sum(not whole(one, site.pick(250_000, 100_000)) for one in downloads),
        "drained": moments["end"] - moments["term"]}


def stuck(site: Site, port: int) -> dict:
    """A download that will never end does not hold the stop beyond the limit."""
    gatehouse = start(site, port, "stuck")
    with RawConnection(gatehouse.port) as link:
        link.send(b"GET /endless/endless HTTP/1.1\r\nHost: a\r\n\r\n")
        link.socket.recv(1000)
        began = time.monotonic()
        gatehouse.process.signal(signal.SIGTERM)
        reader = threading.Thread(target=link.closed, args=(DRAIN + 20,))
        reader.start()
        gatehouse.process.wait(DRAIN + 20)
        took = time.monotonic() - began
        reader.join()
    return {"stuck": took}


def handover(site: Site, port: int) -> dict:
    """A new program takes the port from the old one under load, again and again."""
    if "--takeover" not in run("serve", "--help").stdout:
        reason = NotHere("`serve --takeover` is not served by this version")
        return {"handover": reason, "cut": reason, "left": reason, "handed": reason}
    old = start(site, port, "handed")
    load, programs, exits, moments = Paced(old.port, 500), [old.process], [], {}
    downloads = [download(old.port, "/slow/part") for _ in range(20)]

    async def trouble():
        for _ in range(site.pick(10, 2)):
            await asyncio.sleep(site.pick(2, 1))
            programs.append(successor(site, old))
            exits.append(await asyncio.to_thread(programs[-2].wait, DRAIN + 20))
        moments["last"] = time.monotonic()
        await asyncio.sleep(1)

    load.run(trouble())
    failed = [asked for asked in load.asked if asked.fault or asked.status != 200]
    site.note(f"handovers: {len(exits)}, {len(load.asked)} requests, failures "
              f"{dict(collections.Counter(asked.fault or asked.status for asked in failed))}, exit codes {exits}")
    return {"handover": len(failed), "cut": sum(not whole(one, site.pick(250_000, 100_000)) for one in downloads),
            "left": sum(1 for code in exits if code != 0),
            "handed": sum(1 for asked in load.since(moments["last"]) if asked.status == 200) if programs[-1].alive else 0}


def successor(site: Site, old: Gatehouse) -> Process:
    """A program with everything as the old one has it, that takes over."""
    with on_core(SERVER_CORE):
        process = Process(
            [program(), "serve", "--config", str(old.file), "--takeover"], str(old.log),
            {**clean_environment(), **old.environment}, str(old.folder))
    site.ending.callback(process.kill)
    return process


def download(port: int, path: str) -> subprocess.Popen:
    return subprocess.Popen(
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{size_download}", f"http://127.0.0.1:{port}{path}"],
        stdout=subprocess.PIPE, text=True)


def whole(process: subprocess.Popen, size: int) -> bool:
    return process.communicate(timeout=120)[0] == f"200 {size}" and process.returncode == 0
