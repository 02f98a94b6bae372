"""Logins by the hundred thousand: browsers that follow and keep cookies, and nothing else, in the loop of the load beside."""
import asyncio
import random
import time
from urllib.parse import urlsplit

from support.browser import NAVIGATION

FIELDS = "".join(f"{name}: {value}\r\n" for name, value in NAVIGATION.items())


class Link:
    """A connection that is opened anew when it has ended."""

    def __init__(self, port: int):
        self.port, self.streams = port, None

    async def ask(self, method: str, target: str, fields: str = "") -> tuple[int, list[tuple[str, str]]]:
        """The status and fields of an answer, whose body is read and dropped."""
        if self.streams is None or self.streams[0].at_eof():
            self.close()
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        writer.write(f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n{fields}\r\n".encode())
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        answered = [(name.lower(), value.strip()) for name, colon, value in (line.partition(":") for line in lines) if colon]
        told = dict(answered)
        await reader.readexactly(int(told.get("content-length", 0)))
        if told.get("connection", "").lower() == "close" or first.startswith("HTTP/1.0"):
            self.close()
        return int(first[9:12]), answered

    def close(self):
        if self.streams:
            self.streams[1].close()
        self.streams = None


class Person:
    """One after the other: a login, some pages, and often a sign-out."""

    def __init__(self, gateway: int, issuer: int):
        self.gateway, self.issuer, self.cookies = Link(gateway), Link(issuer), {}

    async def visit(self):
        """A whole visit, in a browser that knows nothing yet."""
        self.cookies = {}
        away = await self.open("/", 302)
        status, back = await self.issuer.ask("GET", tail(away), FIELDS)
        expect("the issuer", status, 302)
        await self.open(tail(dict(back)["location"]), 302)
        for _ in range(random.randrange(5)):
            await self.open("/", 200)
        if random.random() < 0.5:
            await self.open("/oauth2/sign_out", 303, "POST", "Content-Length: 0\r\nSec-Fetch-Site: same-origin\r\n")

    async def open(self, target: str, wanted: int, method: str = "GET", fields: str = FIELDS) -> str:
        """Asks with the cookies and keeps those that come; where the answer leads, if it leads away."""
        jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        status, answered = await self.gateway.ask(method, target, fields + (f"Cookie: {jar}\r\n" if jar else ""))
        expect(target.split("?")[0], status, wanted)
        for line in (value for name, value in answered if name == "set-cookie"):
            name, _, value = line.split(";")[0].partition("=")
            self.cookies[name] = value
            if "Max-Age=0" in line:
                del self.cookies[name]
        return dict(answered).get("location", "")

    def close(self):
        self.gateway.close()
        self.issuer.close()


class Logins:
    """So many visits a second, by a few people in turn; what goes wrong is told."""

    def __init__(self, gateway: int, issuer: int, rate: float, people: int = 8):
        self.gateway, self.issuer, self.pause, self.people = gateway, issuer, people / rate, people
        self.begun, self.errors = 0, []

    async def all(self, beside):
        """Goes on for as long as the coroutine `beside` does."""
        clients = [asyncio.create_task(self.client()) for _ in range(self.people)]
        try:
            await beside
        finally:
            for client in clients:
                client.cancel()
            await asyncio.gather(*clients, return_exceptions=True)

    async def client(self):
        person = Person(self.gateway, self.issuer)
        try:
            while True:
                due = time.monotonic() + self.pause
                try:
                    await person.visit()
                    self.begun += 1
                except (OSError, EOFError, RuntimeError, KeyError, ValueError) as error:
                    self.errors.append(f"a user: {type(error).__name__} {error}")
                    person.close()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
        finally:
            person.close()


def tail(url: str) -> str:
    """Path and query."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def expect(what: str, status: int, wanted: int):
    if status != wanted:
        raise RuntimeError(f"{what} answered {status}")
