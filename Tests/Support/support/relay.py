"""A way between a client and a server that can be cut without a word."""
import socket
import threading

from support.arriving import arriving


class Relay:
    """Passes octets on between the gateway and its store, or swallows them."""

    def __init__(self, port: int):
        self.target, self.passes = port, threading.Event()
        self.passes.set()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        for near in arriving(self.server):
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=(one, other), daemon=True).start()

    def carry(self, one, other):
        try:
            while octets := one.recv(65536):
                if self.passes.is_set():
                    other.sendall(octets)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.close()
            except OSError:
                pass

    def swallow(self):
        self.passes.clear()

    def go_on(self):
        self.passes.set()

    def close(self):
        self.server.close()
