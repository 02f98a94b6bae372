"""A master, its replica and three sentinels of a test's own: `redis-server`, thrice as `--sentinel`."""
import pathlib

from support.processes import Process, accepts, free_port, wait_until
from support.redis import Redis, ask


class Replication:
    """Sentinels that fail over to the replica half a second after the master is gone."""

    NAME = "sessions"

    def __init__(self, folder, password: str | None = None, sentinel_password: str | None = None):
        self.folder, self.sentinel_password = pathlib.Path(folder), sentinel_password
        secret = ("--requirepass", password, "--masterauth", password) if password else ()
        self.servers = [Redis(self.folder / name, *secret, password=password) for name in ("first", "second")]
        self.servers[1].flags += ("--replicaof", f"127.0.0.1 {self.servers[0].port}")
        self.ports = [free_port() for _ in range(3)]
        self.sentinels: list[Process] = []

    @property
    def url(self) -> str:
        return f"redis+sentinel://{self.places}/{self.NAME}/0"

    @property
    def places(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def start(self):
        for server in self.servers:
            server.start()
        wait_until(lambda: self.role(self.servers[1]) == [b"slave", b"connected"], "the replica follows")
        for number, port in enumerate(self.ports):
            self.sentinels.append(self.sentinel(number, port))
        for port in self.ports:
            wait_until(lambda port=port: self.is_ready(port), "the sentinels know each other and the replica", 60)
        return self

    def sentinel(self, number: int, port: int) -> Process:
        folder = self.folder / f"sentinel-{number}"
        folder.mkdir()
        lines = [f"port {port}", "bind 127.0.0.1", f"dir {folder}",
                 f"sentinel monitor {self.NAME} 127.0.0.1 {self.servers[0].port} 2",
                 f"sentinel down-after-milliseconds {self.NAME} 500", f"sentinel failover-timeout {self.NAME} 5000"]
        if self.servers[0].password:
            lines.append(f"sentinel auth-pass {self.NAME} {self.servers[0].password}")
        if self.sentinel_password:
            lines.append(f"requirepass {self.sentinel_password}")
        (folder / "sentinel.conf").write_text("\n".join(lines) + "\n")
        process = Process(["redis-server", str(folder / "sentinel.conf"), "--sentinel"], str(folder / "sentinel.log"))
        wait_until(lambda: accepts(port), "the sentinel is up")
        return process

    def ask(self, port: int, *words: str):
        """What a sentinel says."""
        return ask(port, *words, password=self.sentinel_password)

    def is_ready(self, port: int) -> bool:
        others, replicas = (self.ask(port, "SENTINEL", kind, self.NAME) for kind in ("SENTINELS", "REPLICAS"))
        usable = [entry for entry in (others or []) + (replicas or [])
                  if entry[entry.index(b"flags") + 1] in (b"sentinel", b"slave")]
        ok = (self.ask(port, "SENTINEL", "CKQUORUM", self.NAME) or b"").startswith(b"OK")
        return len(usable) == 3 and ok and b"ok" in replicas[0][replicas[0].index(b"master-link-status") + 1]

    def role(self, server: Redis) -> list:
        """`[b"master"]`, or `[b"slave", state]`; nothing from a server that breaks connections off, for it changes its role."""
        try:
            said = server.ask("ROLE") or []
        except ConnectionError:
            return []
        return said[:1] if said[:1] == [b"master"] else said[:1] + said[3:4]

    def settle(self):
        """Waits until all that was written at the first is at the second too."""
        written = self.servers[0].ask("ROLE")[1]
        wait_until(lambda: self.servers[1].ask("ROLE")[4] >= written, "the replica has it all")

    def stop(self):
        for process in self.sentinels:
            process.stop()
        for server in self.servers:
            server.stop()
