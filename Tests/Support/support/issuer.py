"""An OpenID Connect issuer by script: it approves every login at once, and lies where a test tells it to."""
import base64
import hashlib
import http.server
import json
import secrets
import ssl
import threading
import time
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from support import assertions, authorization, ledger
from support.tokens import Key, encode, now
from support.upstream import Server


class Asked:
    """One request that reached the issuer."""

    def __init__(self, method: str, path: str, query: dict, form: dict, fields: dict):
        self.method, self.path, self.query, self.form, self.fields = method, path, query, form, fields


class Issuer:
    """The issuer on a port of its own. What a test may change:

    `claims`        claims of the ID token to set, or with None to leave out
    `access_claims` the same for access tokens
    `parameters`    parameters of the way back to set or leave out (`state`, `iss`, `code`, `error`)
    `metadata`      members of the discovery document to set or leave out
    `mint`          how an ID token's claims become a token; default: signed by the first key
    `trouble`       path → a function of the handler that answers in the issuer's place
    `information`   members of introspection's answers to set or leave out
    `client_keys`   public keys of the client, for `private_key_jwt`
    `takes`         how the client must authenticate: one of the registry's names; None for basic or post
    `clock_ahead`   seconds by which its `Date` is ahead
    `respond`       how claims of a signed answer (JARM) become a token; default: signed by the first key
    `answer_claims` claims of a signed answer to set or leave out
    `wants_pushed`  whether only pushed requests are taken (RFC 9126)
    `wants_signed`  whether only signed requests are taken (RFC 9101), by `client_keys`
    """

    def __init__(self, port: int = 0, name: str = "first", path: str = "", tls: ssl.SSLContext | None = None):
        self.keys = [Key(f"{name}-1")]
        self.published = list(self.keys)
        self.client_id, self.client_secret = "app", ledger.keep(f"secret-{secrets.token_hex(12)}", "client secret")
        self.service_secret = ledger.keep(f"service-{secrets.token_hex(12)}", "client secret")
        self.user = {"sub": "alice-id", "preferred_username": "alice", "email": "alice@example.test",
                     "email_verified": True, "name": "Alice Adams", "groups": ["admins", "staff"]}
        self.passwords = {"alice": "correct horse battery", "bob": "staple:with colon"}
        self.claims, self.access_claims, self.parameters, self.metadata = {}, {}, {}, {}
        self.mint = lambda claims: self.keys[0].sign(claims)
        self.respond = lambda claims: self.keys[0].sign(claims)
        self.answer_claims, self.pushed = {}, {}
        self.wants_pushed = self.wants_signed = False
        self.trouble = {}
        self.information, self.opaque = {}, {}
        self.client_keys, self.takes, self.assertion_audience = [], None, None
        self.assertions_seen: set[str] = set()
        self.asked: list[Asked] = []
        self.codes: dict[str, dict] = {}
        self.refresh_tokens: dict[str, dict] = {}
        self.access_seconds = 600
        self.clock_ahead = 0
        self.lock = threading.Lock()
        self.path, self.port, self.tls = path, port, tls
        self.start()

    # Life

    def start(self):
        """Listens (again, on the same port after a stop)."""
        issuer = self

        class Handler(Answers):
            pass

        Handler.issuer = issuer
        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        if self.tls:
            self.server.socket = self.tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.origin = f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"
        self.url = self.origin + self.path
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def stop(self):
        """Closes the port: the issuer is down."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    # What it is asked

    def count(self, path: str) -> int:
        """How many requests reached `path`."""
        return sum(1 for asked in self.asked if asked.path == path)

    def document(self) -> dict:
        """The discovery document."""
        base = self.url
        return changed({
            "issuer": base, "authorization_endpoint": base + "/authorize", "token_endpoint": base + "/token",
            "jwks_uri": base + "/jwks", "userinfo_endpoint": base + "/userinfo",
            "end_session_endpoint": base + "/end_session", "response_types_supported": ["code"],
            "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"], "introspection_endpoint": base + "/introspect",
            "pushed_authorization_request_endpoint": base + "/par",
        }, self.metadata)

    # What it gives

    def id_token(self, nonce: str | None, access_token: str | None = None) -> str:
        """An ID token as the test wants it."""
        claims = {"iss": self.url, "aud": self.client_id, "exp": now() + 600, "iat": now(),
                  "auth_time": now(), **self.user}
        if nonce:
            claims["nonce"] = nonce
        return ledger.keep(self.mint(changed(claims, self.claims)), "ID token")

    def access_token(self, scope: str = "openid", subject: str | None = None, **more) -> str:
        """An access token in the form of RFC 9068."""
        claims = {"iss": self.url, "aud": self.client_id, "sub": subject or self.user["sub"], "scope": scope,
                  "client_id": self.client_id, "exp": now() + self.access_seconds, "iat": now(),
                  "jti": secrets.token_hex(8), "groups": self.user.get("groups")}
        claims = changed(changed(claims, self.access_claims), more)
        return ledger.keep(self.keys[0].sign(claims, typ="at+jwt"), "access token")

    def opaque_token(self, scope: str = "openid", **more) -> str:
        """A token that says nothing by itself; what introspection and userinfo say of it is kept here."""
        token = ledger.keep(secrets.token_urlsafe(24), "access token")
        self.opaque[token] = changed({
            "active": True, "iss": self.url, "sub": self.user["sub"], "aud": self.client_id, "scope": scope,
            "client_id": self.client_id, "exp": now() + self.access_seconds, "iat": now(), "token_type": "Bearer",
        }, more)
        return token

    def revoke(self, token: str):
        """Makes a token worth nothing from now on."""
        self.opaque[token] = {"active": False}

    def grant(self, form: dict) -> dict | None:
        """The token endpoint's answer, or None for `invalid_grant`."""
        kind, scope = form.get("grant_type"), form.get("scope", "openid")
        if kind == "authorization_code":
            login = self.codes.pop(form.get("code", ""), None)
            if login is None or not self.proves(login, form):
                return None
            return self.token_set(login["scope"], login.get("nonce"))
        if kind == "refresh_token":
            old = self.refresh_tokens.pop(form.get("refresh_token", ""), None)
            return None if old is None else self.token_set(old["scope"], None)
        if kind == "password":
            right = self.passwords.get(form.get("username", "")) == form.get("password", "")
            return self.token_set(scope, None, subject=form.get("username")) if right else None
        if kind == "client_credentials":
            return {"access_token": self.access_token(scope, subject=form["client_id"], client_id=form["client_id"]),
                    "token_type": "Bearer", "expires_in": self.access_seconds}
        return None

    def proves(self, login: dict, form: dict) -> bool:
        """PKCE S256 and the redirect URI (RFC 7636 §4.6, RFC 6749 §4.1.3)."""
        challenge = encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        return challenge == login.get("code_challenge") and form.get("redirect_uri") == login["redirect_uri"]

    def token_set(self, scope: str, nonce: str | None, subject: str | None = None) -> dict:
        access = self.access_token(scope, subject)
        refresh = ledger.keep(secrets.token_urlsafe(24), "refresh token")
        self.refresh_tokens[refresh] = {"scope": scope}
        return {"access_token": access, "token_type": "Bearer", "expires_in": self.access_seconds, "scope": scope,
                "refresh_token": refresh, "id_token": self.id_token(nonce, access)}


def changed(members: dict, changes: dict) -> dict:
    """`members` with `changes` made; None leaves a member out."""
    return {name: value for name, value in {**members, **changes}.items() if value is not None}


class Answers(http.server.BaseHTTPRequestHandler):
    """The issuer's endpoints."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    issuer: Issuer

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return super().date_time_string((timestamp or time.time()) + self.issuer.clock_ahead)

    def do_GET(self):
        self.serve({})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.serve(dict(parse_qsl(body.decode(), keep_blank_values=True)))

    def serve(self, form: dict):
        parts = urlsplit(self.path)
        path = parts.path.removeprefix(self.issuer.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        with self.issuer.lock:
            for name in ("state", "nonce", "code_verifier", "password"):
                ledger.keep({**query, **form}.get(name), name)
            self.issuer.asked.append(Asked(self.command, path, query, form, dict(self.headers.items())))
        trouble = self.issuer.trouble.get(path)
        if trouble is not None:
            return trouble(self)
        known = {
            "/.well-known/openid-configuration": lambda: self.json(200, self.issuer.document()),
            "/jwks": lambda: self.json(200, {"keys": [key.jwk() for key in self.issuer.published]}),
            "/authorize": lambda: self.authorize(query),
            "/par": lambda: self.push(form),
            "/token": lambda: self.token(form),
            "/userinfo": self.userinfo,
            "/introspect": lambda: self.introspect(form),
            "/end_session": lambda: self.redirect(query.get("post_logout_redirect_uri", "/"), {
                name: query[name] for name in ("state",) if name in query}),
        }.get(path)
        return known() if known else self.json(404, {"error": "not_found"})

    def authorize(self, query: dict):
        query = authorization.asked(self.issuer, query)
        if query is None:
            return self.json(400, {"error": "invalid_request"})
        code = ledger.keep(secrets.token_urlsafe(24), "code")
        with self.issuer.lock:
            self.issuer.codes[code] = {**query, "scope": query.get("scope", "openid")}
        back = changed({"code": code, "state": query.get("state")}, self.issuer.parameters)
        mode = query.get("response_mode", "query")
        if mode.endswith("jwt"):
            claims = {"iss": self.issuer.url, "aud": self.issuer.client_id, "exp": now() + 300, **back}
            back = {"response": ledger.keep(self.issuer.respond(changed(claims, self.issuer.answer_claims)), "answer")}
        if not mode.startswith("form_post"):
            return self.redirect(query["redirect_uri"], back)
        return self.raw(200, authorization.form(query["redirect_uri"], back), kind="text/html; charset=utf-8")

    def push(self, form: dict):
        """RFC 9126 §2: the client proves itself, and the request is kept under a name for one use."""
        if self.client(form) is None:
            return self.json(401, {"error": "invalid_client"}, **{"WWW-Authenticate": "Basic"})
        name = f"urn:ietf:params:oauth:request_uri:{secrets.token_urlsafe(16)}"
        with self.issuer.lock:
            self.issuer.pushed[name] = {name: value for name, value in form.items() if name != "client_secret"}
        return self.json(201, {"request_uri": name, "expires_in": 60})

    def token(self, form: dict):
        client = self.client(form)
        if client is None:
            return self.json(401, {"error": "invalid_client"}, **{"WWW-Authenticate": "Basic"})
        with self.issuer.lock:
            answer = self.issuer.grant({**form, "client_id": client})
        return self.json(200, answer) if answer else self.json(400, {"error": "invalid_grant"})

    def introspect(self, form: dict):
        """RFC 7662, and in the form of RFC 9701 where that is asked for."""
        if self.client(form) is None:
            return self.json(401, {"error": "invalid_client"}, **{"WWW-Authenticate": "Basic"})
        issuer = self.issuer
        known = issuer.opaque.get(form.get("token", ""), {"active": False})
        members = changed(known, issuer.information) if known["active"] else known
        if self.headers.get("Accept") != "application/token-introspection+jwt":
            return self.json(200, members)
        claims = {"iss": issuer.url, "aud": issuer.client_id, "iat": now(), "token_introspection": members}
        signed = issuer.keys[0].sign(claims, typ="token-introspection+jwt")
        return self.raw(200, signed.encode(), kind="application/token-introspection+jwt")

    def client(self, form: dict) -> str | None:
        """The client that proved itself: in the one way that it must, or by a secret."""
        issuer = self.issuer
        if issuer.takes in ("private_key_jwt", "client_secret_jwt"):
            audience = issuer.assertion_audience or issuer.url
            keys = issuer.client_keys if issuer.takes == "private_key_jwt" else issuer.client_secret
            shown = "Authorization" in self.headers or "client_secret" in form
            ours = assertions.holds(form, issuer.client_id, audience, keys, issuer.assertions_seen)
            return issuer.client_id if ours and not shown else None
        if issuer.takes in ("tls_client_auth", "self_signed_tls_client_auth"):
            shown = getattr(self.connection, "getpeercert", lambda **_: None)(binary_form=True)
            ours = shown in issuer.client_keys and form.get("client_id") == issuer.client_id
            return issuer.client_id if ours and "client_secret" not in form else None
        return self.secret_client(form)

    def secret_client(self, form: dict) -> str | None:
        """The client that proved itself, by `client_secret_basic` or `client_secret_post`."""
        name, secret = form.get("client_id"), form.get("client_secret")
        scheme, _, value = (self.headers.get("Authorization") or "").partition(" ")
        if scheme.lower() == "basic":
            name, _, secret = base64.b64decode(value).decode().partition(":")
            name, secret = unquote_plus(name), unquote_plus(secret)
        right = (name, secret) == (self.issuer.client_id, self.issuer.client_secret)
        service = (name, secret) == ("service", self.issuer.service_secret)
        return name if right or service else None

    def userinfo(self):
        scheme, _, token = (self.headers.get("Authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not self.issuer.opaque.get(token, {"active": True})["active"]:
            return self.json(401, {"error": "invalid_token"})
        return self.json(200, self.issuer.user)

    def redirect(self, where: str, parameters: dict):
        joined = where + (("&" if "?" in where else "?") + urlencode(parameters, doseq=True) if parameters else "")
        self.send_response(302)
        self.send_header("Location", joined)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def json(self, status: int, value, **fields):
        self.raw(status, json.dumps(value).encode(), **fields)

    def raw(self, status: int, content: bytes, kind: str = "application/json", **fields):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


# Troubles, for `Issuer.trouble`

def garbage(handler: Answers):
    """Answers with what is not JSON."""
    handler.raw(200, b"<html>\x00\xff not a token answer", kind="text/html")


def huge(handler: Answers):
    """Answers with ten megabytes of JSON."""
    try:
        handler.raw(200, b'{"access_token":"' + b"a" * 10_000_000 + b'"}')
    except (BrokenPipeError, ConnectionResetError):
        handler.close_connection = True


def slow(seconds: float):
    """Answers a byte at a time for `seconds`."""
    def drip(handler: Answers):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                handler.wfile.write(b" ")
                time.sleep(0.1)
        except (BrokenPipeError, ConnectionResetError):
            pass
        handler.close_connection = True
    return drip


def never(handler: Answers):
    """Takes the request and says nothing until the peer goes away."""
    handler.connection.settimeout(30)
    try:
        handler.connection.recv(1)
    except (TimeoutError, OSError):
        pass
    handler.close_connection = True


def status(code: int, **fields):
    """Answers with a status and nothing of use."""
    return lambda handler: handler.json(code, {"error": "server_error"}, **fields)


def key_set(document: dict, tag: str | None = None, cache: str = "max-age=3600"):
    """Answers with a set of keys; with its tag, and 304 for who knows that already."""
    content = json.dumps(document).encode()

    def answer(handler: Answers):
        fields = {"Cache-Control": cache, **({"ETag": tag} if tag else {})}
        known = tag is not None and handler.headers.get("If-None-Match") == tag
        handler.send_response(304 if known else 200)
        for name, value in fields.items():
            handler.send_header(name, value)
        if not known:
            handler.send_header("Content-Type", "application/jwk-set+json")
            handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(b"" if known else content)
    return answer
