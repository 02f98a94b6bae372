"""An origin that keeps a ledger of what reached it, and can be killed: python -m Drills.origin PORT LEDGER."""
import asyncio
import os
import sys


class Answers(asyncio.Protocol):
    """Notes each request's `X-Number` before it answers; bodies are as short as their head says."""

    def __init__(self, ledger: int):
        self.ledger, self.heard = ledger, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data: bytes):
        self.heard += data
        while (end := self.heard.find(b"\r\n\r\n")) >= 0:
            head = self.heard[:end].lower()
            length = int(field(head, b"content-length") or 0)
            if len(self.heard) < end + 4 + length:
                return
            self.heard = self.heard[end + 4 + length:]
            number = field(head, b"x-number")
            os.write(self.ledger, head.split(b" ", 1)[0] + b" " + number + b"\n")
            body = b"number " + number
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def field(head: bytes, name: bytes) -> bytes:
    """A field's value in a head that is in lower case; empty where there is none."""
    start = head.find(b"\r\n" + name + b":")
    if start < 0:
        return b""
    start += len(name) + 3
    end = head.find(b"\r\n", start)
    return head[start:end if end >= 0 else None].strip()


async def main():
    ledger = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    server = await asyncio.get_running_loop().create_server(
        lambda: Answers(ledger), "127.0.0.1", int(sys.argv[1]), backlog=1024, reuse_address=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
