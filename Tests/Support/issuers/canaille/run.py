"""Canaille as an identity provider on 127.0.0.1: made ready, then served in the foreground.

    .build/python/canaille/bin/python run.py PORT DATADIR REDIRECT_URI...
"""
import asyncio
import datetime
import json
import os
import pathlib
import secrets
import signal
import sys
import uuid
from urllib.parse import urlsplit

PORT, DATA, REDIRECTS = int(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve(), sys.argv[3:]
ISSUER = f"http://127.0.0.1:{PORT}"
ORIGINS = list(dict.fromkeys("{0.scheme}://{0.netloc}/".format(urlsplit(uri)) for uri in REDIRECTS))
PEOPLE = {
    "alice": {"first": "Alice", "last": "Adams", "group": "admins", "password": "alice-in-wonderland"},
    "bob": {"first": "Bob", "last": "Brown", "group": "users", "password": "bob-the-builder-1"},
}
SCOPES = ["openid", "profile", "email", "groups"]


def kept(name: str, make):
    """A JSON file of the data folder, made the first time only."""
    path = DATA / name
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(json.dumps(make()))
    return json.loads(path.read_text())


def configuration(keys: list, flask_secret: str) -> dict:
    """Canaille's settings."""
    return {
        "SECRET_KEY": flask_secret, "SERVER_NAME": f"127.0.0.1:{PORT}", "PREFERRED_URL_SCHEME": "http",
        "SESSION_COOKIE_SECURE": False,
        "CANAILLE": {
            "NAME": "Example identity provider", "DATABASE": "sql", "ENABLE_REGISTRATION": False, "HTMX": False,
            "ACL": {"DEFAULT": {"PERMISSIONS": ["edit_self", "use_oidc"]}},
        },
        "CANAILLE_SQL": {"DATABASE_URI": f"sqlite:///{DATA}/canaille.sqlite"},
        "CANAILLE_OIDC": {
            "ACTIVE_JWKS": keys, "REQUIRE_NONCE": False,
            "TRUSTED_DOMAINS": ["127.0.0.1", "localhost"],
        },
    }


def provision(app, secret: dict):
    """Makes users, groups and clients, or brings them up to date."""
    from canaille.app import models
    from canaille.app.installation import install
    from canaille.backends import Backend

    def upsert(model, key: dict, **values):
        item = Backend.instance.get(model, **key) or model(**key)
        Backend.instance.update(item, **values)
        Backend.instance.save(item)
        return item

    with app.app_context():
        install(app)
    with app.app_context(), Backend.instance.session():
        for name, who in PEOPLE.items():
            user = upsert(
                models.User, {"user_name": name}, given_name=who["first"], family_name=who["last"],
                formatted_name=f"{who['first']} {who['last']}", display_name=name,
                emails=[f"{name}@example.test"], password=who["password"])
            upsert(models.Group, {"display_name": who["group"]}, members=[user])
        for name, values in clients(secret).items():
            client = upsert(models.Client, {"client_id": name}, **values)
            client.audience = [client]
            Backend.instance.save(client)


def clients(secret: dict) -> dict:
    """The clients: a web application and a service."""
    common = {
        "scope": SCOPES, "client_id_issued_at": datetime.datetime.now(datetime.timezone.utc),
        "id_token_signed_response_alg": "RS256", "token_endpoint_auth_method": "client_secret_basic",
    }
    # Canaille asks for no consent where the client's page is its own.
    page = {} if os.environ.get("IDP_CONSENT") else {"client_uri": ORIGINS[0]}
    return {
        "web": {
            "client_name": "Web application", "client_secret": secret["web"], "response_types": ["code"],
            "grant_types": ["authorization_code", "refresh_token", "password"], "redirect_uris": REDIRECTS,
            "post_logout_redirect_uris": ORIGINS, **page, **common},
        "service": {
            "client_name": "Service", "client_secret": secret["service"], "response_types": ["token"],
            "grant_types": ["client_credentials", "password"], "redirect_uris": [], **common},
    }


def give_tokens_an_identity():
    """Makes every token unique.

    Canaille 0.3.6 builds access tokens from claims of whole seconds alone: two for one user within a second are the
    same string, and the second request fails.
    """
    from canaille.oidc import provider
    plain = provider.generate_id_token

    def unique(*arguments, **named):
        named["user_info"] = {**named["user_info"], "jti": uuid.uuid4().hex}
        return plain(*arguments, **named)

    provider.generate_id_token = unique


async def serve():
    """Runs the server until SIGTERM or SIGINT."""
    from canaille.hypercorn.app import create_app
    from hypercorn.asyncio import serve as run
    from hypercorn.config import Config
    config = Config()
    config.bind = [f"127.0.0.1:{PORT}"]
    config.graceful_timeout = 1
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    await run(create_app(), config, shutdown_trigger=end.wait)


def main():
    DATA.mkdir(parents=True, exist_ok=True, mode=0o700)
    from joserfc.jwk import RSAKey
    import tomlkit
    keys = kept("keys.json", lambda: [
        {**RSAKey.generate_key(2048, auto_kid=True).as_dict(private=True), "alg": "RS256", "use": "sig"}])
    secret = kept("secrets.json", lambda: {name: secrets.token_urlsafe(32) for name in ("flask", "web", "service")})
    settings = DATA / "canaille.toml"
    settings.touch(mode=0o600)
    settings.write_text(tomlkit.dumps(configuration(keys, secret["flask"])))
    os.environ["CANAILLE_CONFIG"] = str(settings)
    os.chdir(DATA)
    from canaille import create_app
    provision(create_app(), secret)
    give_tokens_an_identity()
    info = {
        "issuer": ISSUER, "scopes": SCOPES, "service_scope": "openid",
        "clients": {name: {"client_id": name, "client_secret": secret[name]} for name in ("web", "service")},
        "users": {name: {"password": who["password"], "group": who["group"]} for name, who in PEOPLE.items()},
    }
    (DATA / "info.json").touch(mode=0o600)
    (DATA / "info.json").write_text(json.dumps(info, indent=1) + "\n")
    asyncio.run(serve())


main()
