"""Users who ask with their sessions all the time, while something happens to the store."""
import threading
import time

import httpx

from support.browser import shown
from support.gatehouse import openid_connect, route, service

# Seconds, longer than what a worker has read is believed.
MEMORY = 1.1

METHODS = ["authorization_code", "session", "refresh_token"]


def configuration(upstream, issuer, **config) -> dict:
    """One route, behind logins."""
    return {"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(
        issuer, auth_methods=METHODS, **config)]))]}


def ask(gatehouse, fields) -> httpx.Response:
    """One request with a session."""
    return httpx.get(gatehouse.url, headers=fields, timeout=30)


class Visitors:
    """Ask with their sessions all the time; every answer is kept, with the moment of its question."""

    def __init__(self, gatehouse, people):
        self.gatehouse, self.ends, self.answers = gatehouse, threading.Event(), []
        self.threads = [threading.Thread(target=self.visit, args=(shown(person),)) for person in people]
        for thread in self.threads:
            thread.start()

    def visit(self, fields):
        with httpx.Client(headers=fields, timeout=30) as client:
            while not self.ends.wait(0.02):
                began = time.monotonic()
                answer = client.get(self.gatehouse.url)
                answer.extensions["asked_at"] = began
                self.answers.append(answer)

    def end(self) -> list[httpx.Response]:
        self.ends.set()
        for thread in self.threads:
            thread.join()
        return self.answers


def asked_at(answer: httpx.Response) -> float:
    """Seconds of the monotonic clock at which the question was asked."""
    return answer.extensions["asked_at"]


def good(answer: httpx.Response) -> bool:
    """200, or 503 with `Retry-After`; a cookie is touched by neither."""
    return not answer.headers.get("set-cookie") and (
        answer.status_code == 200 or answer.status_code == 503 and answer.headers["retry-after"].isdigit())
