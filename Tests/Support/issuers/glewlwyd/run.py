"""Glewlwyd as an identity provider on 127.0.0.1: started, made ready over its own API, then waited for.

    python3 run.py PORT DATADIR REDIRECT_URI...

ACCESS_TOKEN_SECONDS in the environment is how long access tokens last.
"""
import http.cookiejar
import json
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

PORT, DATA, REDIRECTS = int(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve(), sys.argv[3:]
BASE = f"http://127.0.0.1:{PORT}"
ISSUER = BASE + "/api/oidc"
ORIGIN = "{0.scheme}://{0.netloc}/".format(urlsplit(REDIRECTS[0]))
HERE = pathlib.Path(__file__).resolve().parent
PASSWORDS = {"alice": "alice-in-wonderland", "bob": "bob-the-builder-1"}
GROUPS = {"alice": "admins", "bob": "users"}
SCOPES = ["openid", "profile", "email", "groups"]
PACKAGE = pathlib.Path("/usr/share/glewlwyd")
SCHEMA = pathlib.Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")
KINDS = {
    "html": "text/html", "css": "text/css", "js": "application/javascript", "json": "application/json",
    "png": "image/png", "ttf": "font/ttf", "woff": "font/woff", "woff2": "font/woff2", "ico": "image/x-icon",
    "svg": "image/svg+xml",
}


def kept(name: str, make):
    """A JSON file of the data folder, made the first time only."""
    path = DATA / name
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(json.dumps(make()))
    return json.loads(path.read_text())


def new_key() -> dict:
    """An RSA key as a JWK, made by rnbyc."""
    said = subprocess.run(
        ["rnbyc", "-j", "-g", "RSA2048", "-k", secrets.token_hex(8), "-a", "RS256", "-p", "/dev/null"],
        check=True, capture_output=True, text=True).stdout
    return {**json.loads(said[said.index("{"):])["keys"][0], "use": "sig"}


def lay_out_folder():
    """The database, the web pages and the settings file."""
    DATA.mkdir(parents=True, exist_ok=True, mode=0o700)
    pages, database = DATA / "webapp", DATA / "glewlwyd.db"
    if not (pages / "config.json").is_file():
        # Debian's package puts the pages' config.json one folder too deep.
        shutil.copytree(PACKAGE / "webapp", pages, dirs_exist_ok=True, ignore=shutil.ignore_patterns("config.json"))
        shutil.copy(PACKAGE / "templates/config.json", pages / "config.json")
    if not database.exists():
        subprocess.run(["sqlite3", str(database)], stdin=SCHEMA.open(), check=True)
    kinds = ",\n".join(f'  {{ extension = ".{name}"; mime_type = "{kind}"; }}' for name, kind in KINDS.items())
    values = {"PORT": str(PORT), "BASE": BASE, "DATA": str(DATA), "KINDS": kinds}
    text = (HERE / "glewlwyd.conf.in").read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    (DATA / "glewlwyd.conf").write_text(text)


class API:
    """Glewlwyd's administration, with the cookie of whoever logged in last."""

    def __init__(self):
        jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

    def ask(self, method: str, path: str, body=None) -> tuple[int, object]:
        """The status and the answer, read as JSON where it is some."""
        request = urllib.request.Request(
            f"{BASE}/api{path}", method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"})
        try:
            with self.opener.open(request, timeout=20) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        return status, json.loads(text) if text[:1] in "[{" and text else text

    def must(self, method: str, path: str, body=None):
        """The answer of a request that has to succeed."""
        status, answer = self.ask(method, path, body)
        if status != 200:
            raise SystemExit(f"{method} {path}: {status} {answer}")
        return answer

    def upsert(self, kind: str, name: str, body: dict):
        """Makes an entity, or brings it up to date."""
        there = self.ask("GET", f"/{kind}/{name}")[0] == 200
        self.must("PUT" if there else "POST", f"/{kind}/{name}" if there else f"/{kind}/", body)

    def log_in(self, user: str, password: str) -> bool:
        return self.ask("POST", "/auth/", {"username": user, "password": password})[0] == 200


def become_administrator(api: API, password: str):
    """Logs in; the package's first password is a documented default, replaced at once."""
    if api.log_in("admin", password):
        return
    api.log_in("admin", "password")
    api.must("PUT", "/user/admin", {
        "username": "admin", "name": "Administrator", "enabled": True, "scope": ["g_admin", "g_profile"],
        "password": password})


def allow_property(api: API, kind: str, name: str, **more: bool):
    """Gives users or clients a property of several values."""
    module = api.must("GET", f"/mod/{kind}/database")
    properties = module["parameters"].setdefault("data-format", {})
    if name in properties:
        return
    properties[name] = {"multiple": True, "read": True, "write": True, **more}
    api.must("PUT", f"/mod/{kind}/database", module)
    api.must("PUT", f"/mod/{kind}/database/reset")


def provision(secret: dict, keys: list[dict], client_key: dict):
    """Makes the plugin, the scopes, the users and the clients."""
    api = API()
    become_administrator(api, secret["admin"])
    allow_property(api, "user", "groups", **{"profile-read": True, "profile-write": False})
    allow_property(api, "client", "post_logout_redirect_uris")
    for name in [*SCOPES, "api"]:
        api.upsert("scope", name, {
            "name": name, "display_name": name, "description": name, "password_required": True,
            "password_max_age": 0, "scheme": {}})
    plugin = json.loads((HERE / "plugin.json").read_text())
    plugin["parameters"].update({
        "iss": ISSUER, "jwks-private": json.dumps({"keys": keys}), "default-kid": keys[0]["kid"],
        "allowed-scope": [*SCOPES, "api"], "resource-scope": {"api": [ORIGIN]}})
    if "ACCESS_TOKEN_SECONDS" in os.environ:
        plugin["parameters"]["access-token-duration"] = int(os.environ["ACCESS_TOKEN_SECONDS"])
    if api.ask("GET", "/mod/plugin/oidc")[0] != 200:
        api.must("POST", "/mod/plugin/", plugin)
    for name, password in PASSWORDS.items():
        api.upsert("user", name, {
            "username": name, "name": name.title(), "email": f"{name}@example.test", "enabled": True,
            "scope": ["g_profile", *SCOPES, "api"], "groups": [GROUPS[name]], "password": password})
    for name, values in clients(secret, client_key).items():
        api.upsert("client", name, {
            "client_id": name, "name": name, "description": name, "enabled": True, "confidential": True,
            "token_endpoint_auth_method": ["client_secret_basic", "client_secret_post"], **values})
    for name, password in PASSWORDS.items():
        # What the login page would ask each user once.
        api.log_in(name, password)
        api.must("PUT", "/auth/grant/web", {"scope": " ".join([*SCOPES, "api"])})


def rotate(secret: dict):
    """Makes a new key that signs from now on; the older ones stay published, as the standards have it."""
    keys = [new_key(), *kept("keys.json", list)]
    (DATA / "keys.json").write_text(json.dumps(keys))
    api = API()
    become_administrator(api, secret["admin"])
    plugin = api.must("GET", "/mod/plugin/oidc")
    plugin["parameters"].update({"jwks-private": json.dumps({"keys": keys}), "default-kid": keys[0]["kid"]})
    api.must("PUT", "/mod/plugin/oidc", plugin)
    api.must("PUT", "/mod/plugin/oidc/reset")


def clients(secret: dict, client_key: dict) -> dict:
    """The clients: a web application, a service, and services that sign assertions."""
    public = {name: client_key[name] for name in ("kty", "n", "e", "kid", "alg", "use")}
    return {
        "web": {
            "client_secret": secret["web"], "jwks": {"keys": [public]}, "authorization_type": ["code", "refresh_token", "delete_token"],
            "scope": [], "redirect_uri": REDIRECTS, "post_logout_redirect_uri": ORIGIN,
            "post_logout_redirect_uris": [ORIGIN],
            "backchannel_logout_uri": ORIGIN + "oauth2/backchannel-logout", "backchannel_logout_session_required": "yes",
            "frontchannel_logout_uri": ORIGIN + "oauth2/frontchannel-logout",
            "frontchannel_logout_session_required": "yes"},
        "service": {
            "client_secret": secret["service"], "redirect_uri": [], "scope": ["api"],
            "authorization_type": ["client_credentials", "password", "refresh_token"]},
        "signer": {
            "redirect_uri": [], "scope": ["api"], "authorization_type": ["client_credentials"],
            "jwks": {"keys": [public]}, "token_endpoint_auth_method": ["private_key_jwt"]},
        "secret-signer": {
            "client_secret": secret["secret-signer"], "redirect_uri": [], "scope": ["api"],
            "authorization_type": ["client_credentials"], "token_endpoint_auth_method": ["client_secret_jwt"]},
    }


def wait_for_answer(server: subprocess.Popen):
    """Waits until the server takes requests."""
    end = time.monotonic() + 20
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(BASE + "/config", timeout=2).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"glewlwyd did not start, see {DATA}/glewlwyd.log")


def main():
    lay_out_folder()
    names = ("admin", "web", "service", "secret-signer")
    secret = kept("secrets.json", lambda: {name: secrets.token_urlsafe(32) for name in names})
    keys = kept("keys.json", lambda: [new_key()])
    client_key = kept("signer.json", new_key)
    server = subprocess.Popen(["/usr/bin/glewlwyd", f"--config-file={DATA}/glewlwyd.conf"])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.terminate())
    try:
        wait_for_answer(server)
        provision(secret, keys, client_key)
        signal.signal(signal.SIGHUP, lambda *_: rotate(secret))
        info = {
            "issuer": ISSUER, "scopes": SCOPES, "service_scope": "api",
            "clients": {
                **{name: {"client_id": name, "client_secret": secret[name]} for name in names[1:]},
                "signer": {"client_id": "signer", "private_jwk": client_key},
                "web": {"client_id": "web", "client_secret": secret["web"], "private_jwk": client_key}},
            "users": {name: {"password": PASSWORDS[name], "group": GROUPS[name]} for name in PASSWORDS},
        }
        (DATA / "info.json").touch(mode=0o600)
        (DATA / "info.json").write_text(json.dumps(info, indent=1) + "\n")
        server.wait()
    finally:
        if server.poll() is None:
            server.terminate()
            server.wait(10)


os.umask(0o077)
main()
