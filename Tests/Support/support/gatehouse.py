"""The program under test: started in a folder of its own, with a file and an environment."""
import json
import os
import pathlib
import subprocess

import httpx
import yaml

from support import ledger
from support.processes import Process, free_port, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[3]

# A listener for calls of gRPC, at a port of its own.
CALLS_LISTEN = "127.0.0.1:0"
CALLS = {"GATEHOUSE_EXT_AUTHZ_LISTEN": CALLS_LISTEN}


def program() -> str:
    """The program's path: GATEHOUSE, or the release build, or the debug build."""
    named = os.environ.get("GATEHOUSE")
    built = [ROOT / ".build/release/gatehouse", ROOT / ".build/debug/gatehouse"]
    return named or str(next((path for path in built if path.exists()), built[0]))


def run(*arguments: str, input: str | None = None, environment: dict | None = None, folder=None, seconds: float = 60):
    """Runs one command to its end."""
    return subprocess.run(
        [program(), *arguments], input=input, capture_output=True, text=True, timeout=seconds, cwd=folder,
        env={**clean_environment(), **(environment or {})}, check=False)


def clean_environment() -> dict[str, str]:
    """Our environment without what would change the program's settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GATEHOUSE_")}


class Gatehouse:
    """`gatehouse serve` on ports of its own."""

    def __init__(self, folder, configuration: dict | str, port: int | None = None, **environment: str):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, self.status_port = port or free_port(), free_port()
        self.calls_port = free_port() if environment.get("GATEHOUSE_EXT_AUTHZ_LISTEN", "").startswith(CALLS_LISTEN) else None
        if self.calls_port:
            listen = environment["GATEHOUSE_EXT_AUTHZ_LISTEN"].replace(CALLS_LISTEN, f"127.0.0.1:{self.calls_port}")
            environment = {**environment, "GATEHOUSE_EXT_AUTHZ_LISTEN": listen}
        self.file = self.folder / "gatehouse.yaml"
        self.log = self.folder / "log.jsonl"
        self.url = f"http://127.0.0.1:{self.port}"
        self.status_url = f"http://127.0.0.1:{self.status_port}"
        self.environment = {
            "GATEHOUSE_PROXY_LISTEN": f"127.0.0.1:{self.port}",
            "GATEHOUSE_STATUS_LISTEN": f"127.0.0.1:{self.status_port}",
            "GATEHOUSE_ADMIN_LISTEN": "off",
            "GATEHOUSE_DATA_DIR": str(self.folder / "data"),
            "GATEHOUSE_KEYS_DIR": str(self.folder / "keys"),
            "GATEHOUSE_WORKERS": "2",
            "GATEHOUSE_LOG_LEVEL": "debug",
            "GATEHOUSE_REDIRECT_HOSTS": "127.0.0.1,localhost",
            **environment,
        }
        self.write(configuration)
        ledger.watch(self.log)
        self.process: Process | None = None
        self.older: list[Process] = []

    def write(self, configuration: dict | str):
        """Writes the configuration file; a dictionary gets the format's version."""
        if isinstance(configuration, dict):
            configuration = yaml.safe_dump({"_format_version": "3.0", **configuration}, sort_keys=False)
        self.file.write_text(configuration)

    # Life

    def start(self):
        """Starts it and waits until it is ready."""
        self.spawn()
        wait_until(self.ready, "gatehouse is ready")
        return self

    def spawn(self, *flags: str):
        """Starts it and waits for nothing."""
        self.process = Process(
            [program(), "serve", "--config", str(self.file), *flags], str(self.log),
            {**clean_environment(), **self.environment}, str(self.folder))

    def succeed(self) -> Process:
        """Starts another program that takes over from this one; returns the older one, which drains."""
        older = self.process
        self.older.append(older)
        self.spawn("--takeover")
        self.wait_for_line(lambda line: line.get("took_over_from") == str(older.popen.pid))
        return older

    def ready(self) -> bool:
        if self.process is None or not self.process.alive:
            raise RuntimeError("gatehouse ended:\n" + self.text()[-4000:])
        try:
            return httpx.get(self.status_url + "/status/ready", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> int:
        """Ends it with SIGTERM and returns its exit status; whom it took over from is gone by then."""
        for older in self.older:
            older.stop()
        return self.process.stop() if self.process else 0

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # What it says

    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def lines(self) -> list[dict]:
        """Every log line; all of them must be JSON."""
        return [json.loads(line) for line in self.text().splitlines()]

    def wait_for_line(self, condition, seconds: float = 10):
        """The first log line that satisfies `condition`."""
        return wait_until(
            lambda: next((line for line in self.whole_lines() if condition(line)), None), "a log line", seconds)

    def whole_lines(self) -> list[dict]:
        text = self.text()
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def metrics(self) -> str:
        return httpx.get(self.status_url + "/metrics", timeout=5).text

    def refusals(self, reason: str) -> float:
        """How often a request was refused for `reason`."""
        return self.metric("gatehouse_refusals_total", reason=reason)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that carry all of `labels`."""
        total = 0.0
        for line in self.metrics().splitlines():
            if line.startswith(name) and line[len(name)] in " {" and all(
                    f'{label}="{value}"' in line for label, value in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
        return total


def service(upstream: str, *routes: dict, plugins: list | None = None, name: str = "api", **more) -> dict:
    """A service with its routes, for a configuration."""
    return {"name": name, "url": upstream, "routes": list(routes), **({"plugins": plugins} if plugins else {}), **more}


def route(name: str, *paths: str, plugins: list | None = None, **more) -> dict:
    """A route that keeps the path as it came."""
    return {"name": name, "paths": list(paths), "strip_path": False, **({"plugins": plugins} if plugins else {}), **more}


def plugin(name: str, **config) -> dict:
    """A plugin with its configuration."""
    return {"name": name, "config": config}


def openid_connect(issuer, **config) -> dict:
    """The plugin for a scripted issuer; every field can be said anew, and None leaves it out."""
    fields = {
        "issuer": issuer.url, "client_id": [issuer.client_id], "client_secret": [issuer.client_secret],
        "scopes": ["openid", "email"], "auth_methods": ["authorization_code", "session", "bearer"],
        **config,
    }
    return plugin("openid-connect", **{name: value for name, value in fields.items() if value is not None})
