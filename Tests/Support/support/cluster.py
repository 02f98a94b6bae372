"""A cluster of a test's own: three masters, each with a replica, by `redis-server --cluster-enabled yes`."""
import contextlib
import itertools
import pathlib

from support.processes import free_port, wait_until
from support.redis import Redis

SLOTS = 16_384


class Cluster:
    """Fails over about a second after a master is gone. `tls` are the flags of a server that speaks TLS besides."""

    def __init__(self, folder, password: str | None = None, tls: tuple = ()):
        self.folder, self.password, self.tls = pathlib.Path(folder), password, tls
        self.servers = [self.server(f"server-{number}") for number in range(6)]

    def server(self, name: str) -> Redis:
        """One more server, which belongs to nothing yet."""
        bus, tls_port = free_port(), free_port()
        flags = ["--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-node-timeout", "1000",
                 "--repl-diskless-sync-delay", "0", "--cluster-replica-validity-factor", "0"]
        if self.password:
            flags += ["--requirepass", self.password, "--masterauth", self.password]
        if self.tls:
            flags += ["--tls-port", str(tls_port), "--tls-cluster", "yes", "--tls-replication", "yes", *self.tls]
        made = Redis(self.folder / name, *flags, password=self.password)
        made.bus, made.tls_port = bus, tls_port
        return made

    @property
    def masters(self) -> list[Redis]:
        """Those that have slots by their own word, in the order of their slots."""
        return sorted((server for server in self.servers if self.ranges(server)), key=self.ranges)

    @property
    def places(self) -> str:
        return ",".join(f"127.0.0.1:{server.tls_port if self.tls else server.port}" for server in self.servers[:3])

    @property
    def url(self) -> str:
        secret = f":{self.password}@" if self.password else ""
        return f"redis{'s' if self.tls else ''}+cluster://{secret}{self.places}"

    def start(self):
        for server in self.servers:
            server.start()
        for number, server in enumerate(self.servers[:3]):
            first, last = number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1
            assert server.ask("CLUSTER", "ADDSLOTSRANGE", str(first), str(last)) == b"OK"
        for number, server in enumerate(self.servers):
            assert server.ask("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1)) == b"OK"
            self.meet(server)
        wait_until(lambda: all(len(self.nodes(server)) == 6 for server in self.servers), "they know each other", 60)
        for master, replica in zip(self.servers[:3], self.servers[3:]):
            wait_until(lambda: replica.ask("CLUSTER", "REPLICATE", self.name(master)) == b"OK", "it follows", 20)
        wait_until(self.is_whole, "the cluster is whole", 60)
        return self

    def meet(self, server: Redis):
        first = self.servers[0]
        port = first.tls_port if self.tls else first.port
        assert server.ask("CLUSTER", "MEET", "127.0.0.1", str(port), str(first.bus)) == b"OK"

    def is_whole(self) -> bool:
        """Everybody serves, and every replica that is there is connected."""
        def fine(server):
            with contextlib.suppress(OSError):
                role = server.ask("ROLE") or [b""]
                return b"cluster_state:ok" in (server.ask("CLUSTER", "INFO") or b"") and (
                    role[0] == b"master" or role[3] == b"connected")
            return False
        return all(fine(server) for server in self.servers if server.process.alive)

    def stop(self):
        for server in self.servers:
            server.stop()

    # What is where

    @staticmethod
    def nodes(server: Redis) -> list[list[str]]:
        """Whom a server knows: a line of `CLUSTER NODES` each."""
        return [line.split() for line in server.ask("CLUSTER", "NODES").decode().splitlines()]

    @staticmethod
    def name(server: Redis) -> str:
        return server.ask("CLUSTER", "MYID").decode()

    def ranges(self, server: Redis) -> list[tuple[int, int]]:
        """The slots that a server has, by its own word; none of one that is not there."""
        with contextlib.suppress(OSError, AttributeError):
            for line in self.nodes(server):
                if "myself" in line[2] and "master" in line[2]:
                    pairs = [word.split("-") for word in line[8:] if not word.startswith("[")]
                    return [(int(pair[0]), int(pair[-1])) for pair in pairs]
        return []

    def owner(self, slot: int) -> Redis:
        """The master of a slot."""
        return next(server for server in self.servers if any(
            first <= slot <= last for first, last in self.ranges(server)))

    def slot(self, key: str) -> int:
        return next(server for server in self.servers if server.process.alive).ask("CLUSTER", "KEYSLOT", key)

    def sessions(self) -> list[str]:
        """The keys of all sessions, of all masters."""
        return sorted(itertools.chain(*(server.sessions() for server in self.masters)))

    def settle(self):
        """Waits until every master's replica has all that was written."""
        for master in self.masters:
            written = master.ask("ROLE")[1]
            wait_until(lambda: all(int(replica[2]) >= written for replica in master.ask("ROLE")[2]), "replicas have it all")

    # Changes

    def replica(self, master: Redis) -> Redis:
        """The replica of a master."""
        name = self.name(master)
        return next(server for server in self.servers if any(
            "myself" in line[2] and line[3] == name for line in self.nodes(server)))

    def migrate(self, slot: int, source: Redis, target: Redis):
        """Moves a slot with its keys, as `redis-cli --cluster reshard` does."""
        assert target.ask("CLUSTER", "SETSLOT", str(slot), "IMPORTING", self.name(source)) == b"OK"
        assert source.ask("CLUSTER", "SETSLOT", str(slot), "MIGRATING", self.name(target)) == b"OK"
        while keys := source.ask("CLUSTER", "GETKEYSINSLOT", str(slot), "10"):
            port = target.tls_port if self.tls else target.port
            assert source.ask("MIGRATE", "127.0.0.1", str(port), "", "0", "5000", "KEYS",
                              *(key.decode() for key in keys)) in (b"OK", b"NOKEY")
        # The target first: a slot must not be without a master.
        for server in (target, source, *self.masters):
            assert server.ask("CLUSTER", "SETSLOT", str(slot), "NODE", self.name(target)) == b"OK"
