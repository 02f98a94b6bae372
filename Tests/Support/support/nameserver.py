"""A server of DNS that answers as the test says, honestly or not, over UDP and TCP.

Questions and answers are octets as RFC 1035 has them, so that every lie can be told.
"""
import contextlib
import socket
import socketserver
import struct
import threading

A, CNAME, AAAA, SRV = 1, 5, 28, 33
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3


def label(name: str) -> bytes:
    """A name on the wire."""
    parts = [part.encode() for part in name.rstrip(".").split(".") if part]
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def record(owner: str, kind: int, data: bytes, ttl: int = 60) -> bytes:
    return label(owner) + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def service(priority: int, weight: int, port: int, host: str) -> bytes:
    """What a record of SRV says."""
    return struct.pack(">HHH", priority, weight, port) + label(host)


class Question:
    """What somebody asks."""

    def __init__(self, octets: bytes):
        self.id, self.octets = octets[:2], octets
        place, parts = 12, []
        while octets[place]:
            parts.append(octets[place + 1:place + 1 + octets[place]].decode())
            place += 1 + octets[place]
        self.name = ".".join(parts).lower()
        self.kind = struct.unpack(">H", octets[place + 1:place + 3])[0]
        self.section = octets[12:place + 5]

    def answer(self, records: list[bytes] = (), code: int = NO_ERROR, flags: int = 0x8180, id: bytes | None = None,
               count: int | None = None) -> bytes:
        """An answer with records that are whole octets already."""
        head = struct.pack(">HHHHH", flags | code, 1, len(records) if count is None else count, 0, 0)
        return (id or self.id) + head + self.section + b"".join(records)


class NameServer:
    """Answers what it was told; `lie(name)` answers a name by a function of the question instead."""

    def __init__(self, host: str = "127.0.0.1"):
        self.records: dict[tuple[str, int], list[tuple[int, bytes]]] = {}
        self.lies: dict[str, object] = {}
        self.asked: list[tuple[str, int, str]] = []
        self.silent = False
        server = self

        class OverUDP(socketserver.BaseRequestHandler):
            def handle(self):
                octets, where = self.request
                for answer in server.answers(octets, "udp"):
                    where.sendto(answer, self.client_address)

        class OverTCP(socketserver.StreamRequestHandler):
            def handle(self):
                with contextlib.suppress(OSError, struct.error):
                    while head := self.rfile.read(2):
                        for answer in server.answers(self.rfile.read(struct.unpack(">H", head)[0]), "tcp"):
                            self.wfile.write(struct.pack(">H", len(answer)) + answer)

        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        udp = type("UDP", (socketserver.ThreadingUDPServer,), {"address_family": family, "daemon_threads": True})
        tcp = type("TCP", (socketserver.ThreadingTCPServer,), {
            "address_family": family, "daemon_threads": True, "allow_reuse_address": True})
        # Both protocols at one port, which the first of them finds.
        self.servers = [tcp((host, 0), OverTCP)]
        self.port = self.servers[0].server_address[1]
        self.servers.append(udp((host, self.port), OverUDP))
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        for each in self.servers:
            threading.Thread(target=each.serve_forever, args=(0.05,), daemon=True).start()

    def answers(self, octets: bytes, protocol: str) -> list[bytes]:
        question = Question(octets)
        self.asked.append((question.name, question.kind, protocol))
        if self.silent:
            return []
        if lie := self.lies.get(question.name):
            told = lie(question, protocol)
            return told if isinstance(told, list) else [told]
        found = self.records.get((question.name, question.kind), [])
        known = any(name == question.name for name, _ in self.records)
        code = NO_ERROR if known else NO_SUCH_NAME
        return [question.answer([record(question.name, question.kind, data, ttl) for ttl, data in found], code)]

    def say(self, name: str, *services: tuple[int, int, int, str], ttl: int = 1):
        """Where a service is: priority, weight, port and host of each place."""
        self.records[name, SRV] = [(ttl, service(*each)) for each in services]

    def address_of(self, name: str, *addresses: str, ttl: int = 1):
        """The IPv4 addresses of a host."""
        self.records[name, A] = [(ttl, socket.inet_aton(each)) for each in addresses]

    def times(self, name: str) -> int:
        """How often a name was asked for."""
        return sum(1 for each in self.asked if each[0] == name)

    def stop(self):
        for each in self.servers:
            each.shutdown()
            each.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
