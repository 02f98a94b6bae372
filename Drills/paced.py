"""So many requests a second over keep-alive connections, each with a number, a time and an outcome."""
import asyncio
import time
from dataclasses import dataclass


@dataclass
class Asked:
    """One request and what became of it: a status and a whole answer, or the fault."""

    number: int
    method: str
    began: float
    seconds: float = 0.0
    status: int = 0
    fault: str = ""


class Paced:
    """Asks `rate` times a second over `connections`; one in `posts` is a POST with a body, none for 0."""

    def __init__(self, port: int, rate: float, connections: int = 50, posts: int = 4, path: str = "/", fields: str = "",
                 host: str = "127.0.0.1"):
        self.port, self.rate, self.connections, self.posts = port, rate, connections, posts
        self.path, self.fields, self.host = path, fields, host
        self.asked: list[Asked] = []
        self.refused_connects = 0
        self.is_over = False

    def run(self, beside):
        """Asks for as long as the coroutine `beside` goes on."""
        asyncio.run(self.all(beside))

    async def all(self, beside):
        self.is_over = False
        clients = [asyncio.create_task(self.client(index)) for index in range(self.connections)]
        try:
            await beside
        finally:
            self.is_over = True
            await asyncio.gather(*clients)

    async def client(self, index: int):
        """One connection's requests, evenly spaced; a late answer does not shift those that follow."""
        pause, link = self.connections / self.rate, None
        due = time.monotonic() + pause * index / self.connections
        while not self.is_over:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due = max(due + pause, time.monotonic() - pause)
            link = await self.ask(link)
        if link:
            link[1].close()

    async def ask(self, link):
        """One request; the connection if it can carry another."""
        number = len(self.asked)
        asked = Asked(number, "POST" if self.posts and number % self.posts == 0 else "GET", time.monotonic())
        self.asked.append(asked)
        try:
            if link is None or link[0].at_eof():
                if link:
                    link[1].close()
                try:
                    link = await asyncio.open_connection(self.host, self.port)
                except OSError:
                    self.refused_connects += 1
                    raise
            stays = await self.exchange(link, asked)
        except (OSError, EOFError, ValueError) as error:
            asked.fault, stays = type(error).__name__, False
        asked.seconds = time.monotonic() - asked.began
        if not stays and link:
            link[1].close()
        return link if stays else None

    async def exchange(self, link, asked: Asked) -> bool:
        body = b"x" * 100 if asked.method == "POST" else b""
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        link[1].write(
            f"{asked.method} {self.path} HTTP/1.1\r\nHost: a\r\nX-Number: {asked.number}\r\n{self.fields}{length}\r\n".encode() + body)
        head = (await link[0].readuntil(b"\r\n\r\n")).lower()
        asked.status = int(head[9:12])
        start = head.find(b"content-length:")
        if start < 0:
            raise ValueError("no length")
        await link[0].readexactly(int(head[start + 15:head.index(b"\r\n", start)]))
        return b"connection: close" not in head

    def since(self, moment: float, until: float = float("inf")) -> list[Asked]:
        """Those that began within a time."""
        return [asked for asked in self.asked if moment <= asked.began < until]


async def once(port: int, fields: str) -> Asked:
    """One request on a connection of its own."""
    client = Paced(port, 1, connections=1, posts=0, fields=fields)
    link = await client.ask(None)
    if link:
        link[1].close()
    return client.asked[0]
