"""A bad network between namespaces of our own: packets go through this process, which loses, delays and reorders them."""
import contextlib
import ctypes
import fcntl
import heapq
import itertools
import os
import random
import select
import struct
import subprocess
import threading
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI, CLONE_NEWNET = 0x400454CA, 0x0001, 0x1000, 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def missing() -> str | None:
    """Why this machine has no namespaces or no packets for us; None where it has both."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not os.path.exists("/dev/net/tun"):
        return "there is no /dev/net/tun"
    tried = subprocess.run(["ip", "netns", "add", "drill-probe"], capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"no network namespace can be made: {tried.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", "drill-probe"], check=True)
    return None


def ip(*arguments: str):
    """One `ip` command."""
    subprocess.run(["ip", *arguments], check=True)


class Namespace:
    """A network namespace with nothing but a loopback."""

    def __init__(self, name: str):
        self.name = f"drill-{os.getpid()}-{name}"
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "set", "lo", "up")

    @contextlib.contextmanager
    def inside(self):
        """Sockets made and programs started within belong to the namespace."""
        with open("/proc/self/ns/net", "rb") as before, open(f"/run/netns/{self.name}", "rb") as there:
            enter(there.fileno())
            try:
                yield
            finally:
                enter(before.fileno())

    def remove(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False)


def enter(descriptor: int):
    """Moves this thread into a namespace."""
    if LIBC.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Link:
    """A wire between two namespaces. What may be changed while packets flow:

    `loss` (a part of 1), `delay` in seconds, `jitter` in seconds (which reorders), `is_cut` (nothing comes through, nobody is told).
    """

    def __init__(self, first: Namespace, second: Namespace, net: int):
        self.loss, self.delay, self.jitter, self.is_cut = 0.0, 0.0, 0.0, False
        self.carried, self.lost = 0, 0
        self.addresses = (f"10.77.{net}.1", f"10.77.{net}.2")
        self.names = (f"drill{net}a", f"drill{net}b")
        self.namespaces = (first, second)
        self.devices = [self.device(end) for end in (0, 1)]
        self.is_over = False
        self.thread = threading.Thread(target=self.carry, daemon=True)
        self.thread.start()

    def device(self, end: int) -> int:
        """One end: a TUN device that is moved into its namespace, its packets stay with us."""
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        name, namespace = self.names[end], self.namespaces[end].name
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
        ip("link", "set", name, "netns", namespace)
        ip("-n", namespace, "addr", "add", self.addresses[end], "peer", self.addresses[1 - end], "dev", name)
        ip("-n", namespace, "link", "set", name, "up")
        return descriptor

    def mtu(self, octets: int):
        """How long a packet may be."""
        for name, namespace in zip(self.names, self.namespaces):
            ip("-n", namespace.name, "link", "set", name, "mtu", str(octets))

    def carry(self):
        """Takes packets off one end and puts them, or not, onto the other when they are due."""
        waiting, order = [], itertools.count()
        while not self.is_over:
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, _, end, packet = heapq.heappop(waiting)
                with contextlib.suppress(OSError):
                    os.write(self.devices[end], packet)
            pause = min(0.05, waiting[0][0] - now) if waiting else 0.05
            readable, _, _ = select.select(self.devices, [], [], max(0, pause))
            for descriptor in readable:
                with contextlib.suppress(BlockingIOError):
                    for _ in range(64):
                        packet = os.read(descriptor, 65536)
                        if self.is_cut or random.random() < self.loss:
                            self.lost += 1
                            continue
                        self.carried += 1
                        due = time.monotonic() + self.delay + random.random() * self.jitter
                        heapq.heappush(waiting, (due, next(order), 1 - self.devices.index(descriptor), packet))

    def remove(self):
        self.is_over = True
        self.thread.join()
        for descriptor in self.devices:
            os.close(descriptor)
