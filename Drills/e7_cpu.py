"""E7 CPU: what one hostile request costs at most."""
import base64
import json
import time

from Drills.bars import most
from Drills.site import Site, Vitals
from support.browser import LightBrowser
from support.gatehouse import openid_connect, plugin, route, service
from support.issuer import Issuer
from support.rawsocket import RawConnection

BARS = [
    most("worst", "worst single request: CPU", 50, " ms"),
    most("unanswered", "hostile requests without an answer of a whole status", 0),
    most("again", "a plain request afterwards that was not answered 200", 0),
]
# Each runs away in an engine that goes back; the last part of the path is what it runs away on.
PATTERNS = [r"~/p0/(a+)+$", r"~/p1/(x+x+)+y$", r"~/p2/([a-z]+)*\d$", r"~/p3/(.*)*z$", r"~/p4/(a|aa)+$", r"~/p5/(a|a?)+b$",
            r"~/p6/(\w+\s?)*!$", r"~/p7/.*.*.*.*.*=$"]
FIELD = "X-Pattern"


def drill(site: Site) -> dict:
    port = site.backend()
    with Issuer() as issuer:
        target = f"http://127.0.0.1:{port}"
        gatehouse = site.gatehouse({
            "services": [service(
                target, route("all", "/"), route("oidc", "/oidc", plugins=[openid_connect(
                    issuer, session_cookie_name="session", authorization_cookie_name="attempt")]),
                route("key", "/key", plugins=[plugin("key-auth")]),
                route("field", "/field", headers={FIELD: [r"~*^(\w+,?)+;$"]}),
                *(route(f"p{number}", pattern) for number, pattern in enumerate(PATTERNS)))]},
            GATEHOUSE_TRUSTED_IPS="127.0.0.1")
        vitals = Vitals(gatehouse)
        for _ in range(50):
            cost(vitals, plain("/"))
        usual = min(cost(vitals, plain("/"))[0] for _ in range(20))
        costs, unanswered = {}, []
        for name, raw in {**requests(issuer), **changed_session(gatehouse.url + "/oidc")}.items():
            for _ in range(site.pick(20, 3)):
                milliseconds, status = cost(vitals, raw)
                costs[name] = max(costs.get(name, 0.0), milliseconds)
                if not status:
                    unanswered.append(name)
        again = sum(cost(vitals, plain("/"))[1] != 200 for _ in range(10))
    worst = sorted(costs.items(), key=lambda item: -item[1])
    site.note(f"{len(costs)} kinds of request; a plain one costs {usual:.2f} ms; the dearest: "
              + ", ".join(f"{name} {milliseconds:.2f} ms" for name, milliseconds in worst[:5]))
    if unanswered:
        site.note(f"without an answer: {sorted(set(unanswered))}")
    return {"worst": worst[0][1], "unanswered": len(unanswered), "again": again}


def cost(vitals: Vitals, raw: bytes) -> tuple[float, int]:
    """Milliseconds of CPU that one request takes on a connection of its own, and its status."""
    before = vitals.cpu()
    with RawConnection(vitals.gatehouse.port, 30) as link:
        try:
            link.send(raw)
        except OSError:
            pass
        try:
            answer = link.read()
        except OSError:
            answer = None
    # The end of the connection costs too.
    time.sleep(0.005)
    return (vitals.cpu() - before) * 1000, answer.status if answer else 0


def plain(target: str, *fields: str) -> bytes:
    """A GET with fields as they stand."""
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: a", *fields, "", ""]).encode("latin-1")


def token(payload: bytes, header: dict | None = None, signature: str = "AAAA") -> str:
    """Something in the form of a token."""
    head = json.dumps(header or {"alg": "RS256", "kid": "first-1"}).encode()
    parts = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (head, payload)]
    return ".".join([*parts, signature])


def requests(issuer: Issuer) -> dict[str, bytes]:
    """Every kind, by name."""
    found = {}
    for number in range(len(PATTERNS)):
        for length in (30, 1000, 15_000):
            found[f"pattern {number}, {length} octets"] = plain(f"/p{number}/" + "a" * length + "!")
            found[f"pattern {number}, {length} octets x"] = plain(f"/p{number}/" + "x" * length)
    found |= paths()
    found |= fields()
    found |= tokens(issuer)
    return found


def paths() -> dict[str, bytes]:
    """Targets as long as they may be."""
    return {
        "path of 15 KB": plain("/" + "a" * 15_000), "path of segments": plain("/a" * 7000),
        "path of dots": plain("/a" * 3000 + "/.." * 3000), "path of only dots": plain("/.." * 5000),
        "path of single dots": plain("/." * 7000), "path of slashes": plain("/" * 15_000),
        "path in percent": plain("/" + "%61" * 5000), "path in wrong percent": plain("/" + "%zz" * 5000),
        "path in UTF-8": plain("/" + "%f0%9f%98%80" * 1200), "path of encoded dots": plain("/%2e%2e" * 2000),
        "query of 15 KB": plain("/?" + "a=b&" * 3700), "query of percent": plain("/?" + "%" * 15_000),
        "a key in a long query": plain("/key?" + "apikey=a&" * 1600), "line of 40 KB": plain("/" + "a" * 40_000),
        "many chunks": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 20_000 + b"0\r\n\r\n",
        "long chunk extensions": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 + (b"1;" + b"a=b;" * 50 + b"\r\na\r\n") * 100 + b"0\r\n\r\n",
        "heads of blank lines": b"\r\n" * 10_000 + plain("/"),
    }


def fields() -> dict[str, bytes]:
    """Heads as full as they may be."""
    return {
        "99 fields": plain("/", *(f"X-{number}: {'v' * 250}" for number in range(98))),
        "200 fields": plain("/", *(f"X-{number}: v" for number in range(200))),
        "head of 40 KB": plain("/", *(f"X-{number}: {'v' * 4000}" for number in range(10))),
        "a field of 30 KB": plain("/", "X-A: " + "v" * 30_000), "a field of commas": plain("/", "Connection: " + "a," * 14_000),
        "a field of blanks": plain("/", "X-A:" + " " * 30_000 + "v"),
        "Accept of 30 KB": plain("/oidc", "Accept: " + "text/html;q=0.1," * 1900),
        "cookies by the thousand": plain("/oidc", "Cookie: " + "; ".join(f"c{number}=v" for number in range(3500))),
        "cookies of one name": plain("/oidc", "Cookie: " + "a=b; " * 6000),
        "attempts by the hundred": plain("/oidc", "Accept: text/html", "Cookie: " + "; ".join(
            f"attempt-{number:016x}={'A' * 40}" for number in range(350))),
        "a session of five wrong parts": plain("/oidc", "Cookie: session=5." + "A" * 5000 + "".join(
            f"; session_{number}={'A' * 5000}" for number in range(1, 5))),
        "a session of a billion parts": plain("/oidc", "Cookie: session=1000000000." + "A" * 4000),
        "sessions by the thousand": plain("/oidc", "Cookie: " + "session=2.AAAA; session_1=AAAA; " * 900),
        "99 cookie fields": plain("/oidc", *("Cookie: " + "a=b; " * 60 for _ in range(98))),
        "cookies of semicolons": plain("/oidc", "Cookie: " + ";" * 30_000),
        "a field for a pattern": plain("/field", f"{FIELD}: " + "a" * 25_000),
        "a short field for a pattern": plain("/field", f"{FIELD}: " + "a" * 30),
        "a callout of 15 KB": plain("/oauth2/auth", "X-Original-URL: http://a/p1/" + "x" * 14_000),
        "a forwarded chain": plain("/", "X-Forwarded-For: " + "1.2.3.4," * 3700),
        "a Forwarded chain": plain("/", "Forwarded: " + 'for="[::1]:1";by=a,' * 1500),
        "a return of 15 KB": plain("/oauth2/login?rd=" + "%2F" * 4000),
        "a callback of 15 KB": plain("/oauth2/callback?code=" + "c" * 7000 + "&state=" + "s" * 7000),
    }


def changed_session(url: str) -> dict[str, bytes]:
    """A true session whose last octets are not its own: all of it is opened before that is found out."""
    browser = LightBrowser()
    browser.follow(url)
    cookies = {name: value for name, value in browser.cookies.items() if name.startswith("session")}
    browser.close()
    if not cookies:
        raise RuntimeError("the login gave no session")
    return {"a changed session": plain("/oidc", "Cookie: " + "; ".join(
        f"{name}={value[:-8]}AAAAAAAA" for name, value in cookies.items()))}


def tokens(issuer: Issuer) -> dict[str, bytes]:
    """Bearers of the wrong kind."""
    shown = {
        "a token of dots": "." * 16_000, "a token of 30 KB": "a" * 30_000,
        "a token of nested JSON": token(b"[" * 11_000), "a token of nested objects": token(b'{"a":' * 2200),
        "a token of many members": token(json.dumps({f"m{number}": number for number in range(900)}).encode()),
        "a token of one name twice": token(b'{"a":1,' * 1500), "a token of a long number": token(b'{"exp":' + b"9" * 11_000 + b"}"),
        "a token of an exponent": token(b'{"exp":1e999999999}'),
        "a token of escapes": token(b'{"a":"' + b"\\u0041" * 1800 + b'"}'),
        "a token of a long signature": token(b"{}", signature="A" * 15_000),
        "a token of an unknown key": token(b"{}", {"alg": "RS256", "kid": "k" * 8000}),
        "a token of crit": token(b"{}", {"alg": "RS256", "crit": [f"c{number}" for number in range(1000)]}),
        "a right token with another signature": issuer.access_token()[:-20] + "A" * 20,
    }
    return {name: plain("/oidc", f"Authorization: Bearer {value}") for name, value in shown.items()}
