"""A real identity provider: Canaille or Glewlwyd, see ../issuers."""
import json
import os
import pathlib
import signal
import sys

import httpx

from support import ledger
from support.gatehouse import ROOT
from support.processes import Process, free_port, wait_until

FOLDER = ROOT / "Tests/Support/issuers"
PYTHON = {"canaille": str(ROOT / ".build/python/canaille/bin/python"), "glewlwyd": sys.executable}


class Provider:
    """A provider with its clients and users; a second start finds them as they were."""

    def __init__(self, name: str, folder, *redirect_uris: str, **environment: str):
        self.name, self.folder, self.redirect_uris = name, pathlib.Path(folder), redirect_uris
        self.port, self.environment = free_port(), environment
        self.process: Process | None = None

    def start(self):
        """Starts it and waits until its discovery document answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "info.json").unlink(missing_ok=True)
        self.process = Process(
            [PYTHON[self.name], str(FOLDER / self.name / "run.py"), str(self.port), str(self.folder / "data"),
             *self.redirect_uris], str(self.folder / "provider.log"), {**os.environ, **self.environment})
        wait_until(self.up, f"{self.name} is up", 60)
        return self

    def up(self) -> bool:
        if not self.process.alive:
            raise RuntimeError(f"{self.name} ended:\n" + self.process.said()[-3000:])
        file = self.folder / "data/info.json"
        if not file.exists() or not file.read_text().endswith("}\n"):
            return False
        self.info = json.loads(file.read_text())
        for client in self.info["clients"].values():
            ledger.keep(client.get("client_secret"), "client secret")
            ledger.keep(client.get("private_jwk", {}).get("d"), "private key")
        for user in self.info["users"].values():
            ledger.keep(user["password"], "password")
        try:
            document = httpx.get(self.issuer + "/.well-known/openid-configuration", timeout=5)
        except httpx.TransportError:
            return False
        return document.status_code == 200

    def stop(self):
        if self.process:
            self.process.stop(5)

    def kill(self):
        """Ends it as a power cut would."""
        self.process.kill()

    def document(self) -> dict:
        """The discovery document."""
        answer = httpx.get(self.issuer + "/.well-known/openid-configuration")
        return answer.raise_for_status().json()

    def published(self) -> list[str]:
        """The names of the keys that are published now."""
        answer = httpx.get(self.document()["jwks_uri"])
        return [key["kid"] for key in answer.raise_for_status().json()["keys"]]

    def rotate(self) -> str:
        """Makes it sign with a new key, live; returns the key's name."""
        before = set(self.published())
        self.process.popen.send_signal(signal.SIGHUP)

        def new() -> str | None:
            try:
                return next(iter(set(self.published()) - before), None)
            except httpx.HTTPError:
                return None  # It answers nothing while it reads its keys anew.

        return wait_until(new, "a new key is published", 20)

    def revoke(self, token: str, client: str = "service"):
        """Makes a token worth nothing from now on (RFC 7009)."""
        answer = httpx.post(self.document()["revocation_endpoint"], data={"token": token}, auth=self.client(client))
        assert answer.status_code == 200, answer.text

    @property
    def issuer(self) -> str:
        return self.info["issuer"]

    def client(self, name: str) -> tuple[str, str]:
        """A client's name and secret."""
        return name, self.info["clients"][name]["client_secret"]

    def password(self, user: str) -> str:
        return self.info["users"][user]["password"]

    def tokens(self, client: str = "service", **form: str) -> dict:
        """A token answer for `form`, asked of the provider directly."""
        endpoint = self.document()["token_endpoint"]
        answer = httpx.post(endpoint, data=form, auth=self.client(client))
        answer.raise_for_status()
        tokens = answer.json()
        for name in ("access_token", "refresh_token", "id_token"):
            ledger.keep(tokens.get(name), name)
        return tokens
