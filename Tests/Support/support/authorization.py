"""Authorization requests in the forms in which they come, and answers that are posted."""
import html
import json

from support.assertions import verifies
from support.tokens import decode, now


def asked(issuer, query: dict) -> dict | None:
    """The parameters of a request as its issuer takes them: pushed, signed, both, or plain; None for a bad one."""
    if "request_uri" in query:
        query = {"client_id": query.get("client_id"), **issuer.pushed.pop(query["request_uri"], {"client_id": None})}
    elif issuer.wants_pushed:
        return None
    if "request" in query:
        claims = signed(issuer, query["request"])
        same = claims and query.get("client_id") == claims.get("client_id")
        query = claims if same else {"client_id": None}
    elif issuer.wants_signed:
        return None
    return query if query.get("client_id") == issuer.client_id else None


def signed(issuer, text: str) -> dict | None:
    """The claims of a request object (RFC 9101 §4), if the client signed it for this issuer, lately."""
    parts = text.split(".")
    if len(parts) != 3:
        return None
    header, claims = json.loads(decode(parts[0])), json.loads(decode(parts[1]))
    right = any(verifies(key, header["alg"], decode(parts[2]), ".".join(parts[:2]).encode())
                for key in issuer.client_keys)
    for_us = claims.get("iss") == issuer.client_id and claims.get("aud") == issuer.url and "sub" not in claims
    lives = claims.get("nbf", 0) <= now() + 5 and now() < claims.get("exp", 0) <= now() + 3600
    typed = header.get("typ") == "oauth-authz-req+jwt"
    if not (right and for_us and lives and typed) or {"request", "request_uri"} & claims.keys():
        return None
    return {name: str(value) for name, value in claims.items()}


def form(where: str, parameters: dict) -> bytes:
    """A page that posts an answer at once (OAuth 2.0 Form Post Response Mode §4)."""
    inputs = "".join(f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(str(value))}">'
                     for name, value in parameters.items())
    return (f'<!doctype html><title>Back</title><body onload="document.forms[0].submit()">'
            f'<form method="post" action="{html.escape(where)}">{inputs}</form>').encode()


def posted(page: str) -> tuple[str, dict]:
    """Where such a page posts to, and what."""
    from html.parser import HTMLParser

    class Reader(HTMLParser):
        action, values = "", {}

        def handle_starttag(self, tag, attrs):
            attributes = dict(attrs)
            if tag == "form":
                self.action = attributes["action"]
            if tag == "input" and attributes.get("type") == "hidden":
                self.values[attributes["name"]] = attributes["value"]

    reader = Reader()
    reader.values = {}
    reader.feed(page)
    return reader.action, reader.values
