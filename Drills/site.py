"""Where a drill takes place: a folder, the program on one core, and what it talks to on the other."""
import contextlib
import os
import pathlib
import shlex
import sys
import time

from support.gatehouse import ROOT, Gatehouse, clean_environment, program, route, service
from support.processes import Process, accepts, free_port, wait_until

SERVER_CORE, LOAD_CORE = 0, min(1, (os.cpu_count() or 1) - 1)
NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log error;
worker_rlimit_nofile 20000;
events {{ worker_connections 16384; }}
http {{
  access_log off; server_tokens off; keepalive_requests 100000000; client_max_body_size 0;
  large_client_header_buffers 8 64k;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    root {folder}/files;
    location / {{ return 200 '{{"message": "pong", "padding": "{padding}"}}'; }}
    location /files/ {{ alias {folder}/files/; }}
    location /slow/ {{ alias {folder}/files/; limit_rate 50k; }}
    {more}
  }}
}}
"""


@contextlib.contextmanager
def on_core(core: int):
    """What is started within runs on that core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Site:
    """All that a drill starts; `close` ends it."""

    def __init__(self, folder: pathlib.Path, quick: bool):
        self.folder, self.quick = folder, quick
        self.notes: list[str] = []
        self.ending = contextlib.ExitStack()

    def pick(self, full, quick):
        """The one value in a full run, the other in a quick one."""
        return quick if self.quick else full

    def note(self, text: str):
        """What a reader of the table should know."""
        self.notes.append(text)

    def close(self):
        self.ending.close()

    def gatehouse(self, configuration: dict, name: str = "gatehouse", **environment: str) -> Gatehouse:
        """The program on its core, with one worker and no access log unless `environment` says otherwise."""
        started = Gatehouse(self.folder / name, configuration, **{
            "GATEHOUSE_WORKERS": "1", "GATEHOUSE_ACCESS_LOG": "off", "GATEHOUSE_LOG_LEVEL": "notice", **environment})
        self.ending.callback(started.stop)
        with on_core(SERVER_CORE):
            started.start()
        return started

    @contextlib.contextmanager
    def under(self, *command: str):
        """What is started within is started by `command`, such as `prlimit --nofile=1024`."""
        script = self.folder / "under"
        script.write_text(f'#!/bin/sh\nexec {shlex.join(command)} {shlex.quote(program())} "$@"\n')
        script.chmod(0o755)
        with self.instead(script):
            yield

    @contextlib.contextmanager
    def instead(self, path: pathlib.Path):
        """What is started within is the program at `path`."""
        before = os.environ.get("GATEHOUSE")
        os.environ["GATEHOUSE"] = str(path)
        try:
            yield
        finally:
            os.environ.pop("GATEHOUSE")
            if before:
                os.environ["GATEHOUSE"] = before

    def backend(self, more: str = "") -> int:
        """nginx as an origin that costs little: a short answer at `/`, files of `file` at `/files/` and `/slow/`."""
        port, folder = free_port(), self.folder / "nginx"
        (folder / "files").mkdir(parents=True)
        folder.chmod(0o755)
        self.folder.chmod(0o755)
        (folder / "nginx.conf").write_text(NGINX.format(
            folder=folder, port=port, padding="x" * 160, more=more.replace("{folder}", str(folder))))
        process = Process(
            ["/usr/sbin/nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)], str(folder / "said.log"))
        self.ending.callback(process.stop)
        wait_until(lambda: accepts(port), "nginx listens")
        return port

    def file(self, name: str, size: int):
        """Puts a file of `size` octets where the backend finds it."""
        with open(self.folder / "nginx/files" / name, "wb") as file:
            file.truncate(size)

    def python(self, module: str, *arguments: str, name: str | None = None) -> Process:
        """A program of ours beside the drill."""
        process = Process(
            [sys.executable, "-B", "-m", module, *arguments], str(self.folder / f"{name or module}.log"),
            {**clean_environment(), "PYTHONPATH": f"{ROOT}:{ROOT}/Tests/Support"})
        self.ending.callback(process.kill)
        return process


def plain(port: int, **more) -> dict:
    """A configuration of one open route to an origin."""
    return {"services": [service(f"http://127.0.0.1:{port}", route("all", "/"), **more)]}


class Vitals:
    """What a process holds and uses."""

    def __init__(self, gatehouse: Gatehouse):
        self.gatehouse = gatehouse
        self.pid = gatehouse.process.popen.pid
        self.folder = pathlib.Path(f"/proc/{self.pid}")
        self.start_files = self.files()

    def alive(self) -> bool:
        return self.gatehouse.process.alive

    def files(self) -> int:
        """Open descriptors."""
        return len(os.listdir(self.folder / "fd"))

    def memory(self, line: str = "VmRSS") -> int:
        """Kilobytes of resident memory; `VmHWM` is the most there ever were."""
        for text in (self.folder / "status").read_text().splitlines():
            if text.startswith(line + ":"):
                return int(text.split()[1])
        raise RuntimeError(f"no {line}")

    def forget_peak(self):
        """Begins `VmHWM` anew."""
        (self.folder / "clear_refs").write_text("5")

    def cpu(self) -> float:
        """Seconds of CPU time, of all threads that live."""
        used = 0
        for task in (self.folder / "task").iterdir():
            with contextlib.suppress(OSError):
                used += int((task / "schedstat").read_text().split()[0])
        return used / 1e9

    def connections(self) -> int:
        """Clients that are connected."""
        return int(self.gatehouse.metric("gatehouse_connections"))

    def files_back(self, seconds: float = 10) -> float:
        """How long it takes until no more descriptors are open than at the start; beyond `seconds`, infinity."""
        began = time.monotonic()
        try:
            wait_until(lambda: self.files() <= self.start_files, "descriptors are back", seconds)
        except TimeoutError:
            return float("inf")
        return time.monotonic() - began
