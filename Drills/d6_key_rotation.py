"""D6 rotation under load: keys come and go while 500 tokens a second are shown, new ones from the first moment on."""
import asyncio
import collections

from Drills.bars import most
from Drills.paced import Asked, Paced, once
from Drills.site import Site
from support import issuer as faults
from support.gatehouse import openid_connect, route, service
from support.issuer import Issuer
from support.tokens import Key

PAUSE = 1
BARS = [
    most("wrong", "good tokens that were refused", 0),
    most("fetches", "fetches of keys for each rotation", 1),
    most("late", "the first token of a new key is answered within", 1, " s"),
    most("honoured", "tokens of the older key that were refused while it is in the set", 0),
    most("dropped", "a key that is gone proves nothing after the next rotation's fetch: tokens that passed", 0),
]


def drill(site: Site) -> dict:
    port, rounds = site.backend(), site.pick(20, 3)
    with Issuer() as issuer:
        issuer.access_seconds = 3600
        gatehouse = site.gatehouse({"services": [service(f"http://127.0.0.1:{port}", route("api", "/", plugins=[
            openid_connect(issuer, auth_methods=["bearer"], rediscovery_lifetime=PAUSE)]))]}, GATEHOUSE_WORKERS="2")
        rotation = Rotation(issuer, gatehouse.port, rounds)
        publish(issuer)
        rotation.new.run(rotation.turn())
    said = collections.Counter(asked.fault or asked.status for asked in rotation.new.asked)
    site.note(f"{rounds} rotations, {len(rotation.new.asked)} requests {dict(said)}; fetches each {rotation.fetches}, first tokens after "
              f"{max(rotation.firsts):.3f} s at most")
    return {
        "wrong": sum(asked.status != 200 for asked in rotation.new.asked), "fetches": max(rotation.fetches),
        "late": max(rotation.firsts), "honoured": rotation.refused_old, "dropped": rotation.passed_gone}


def publish(issuer: Issuer):
    issuer.trouble["/jwks"] = faults.key_set({"keys": [key.jwk() for key in issuer.published]})


def bearer(token: str) -> str:
    return f"Authorization: Bearer {token}\r\n"


class Rotation:
    """Turns the issuer's keys while requests go on, and looks at what old, new and gone keys prove."""

    def __init__(self, issuer: Issuer, port: int, rounds: int):
        self.issuer, self.port, self.rounds = issuer, port, rounds
        self.new = Paced(port, 500, fields=bearer(issuer.access_token()))
        self.fetches: list[int] = []
        self.firsts: list[float] = []
        self.refused_old = self.passed_gone = 0

    async def turn(self):
        await asyncio.sleep(PAUSE + 0.5)
        for number in range(self.rounds):
            old, asked = self.issuer.access_token(), self.issuer.count("/jwks")
            gone = self.issuer.keys[1] if len(self.issuer.keys) > 1 else None
            gone_token = self.issuer.access_token() if gone is None else signed_by(self.issuer, gone)
            self.issuer.keys.insert(0, Key(f"turn-{number}"))
            self.issuer.published[:] = self.issuer.keys[:2]
            publish(self.issuer)
            first = await self.shown(self.issuer.access_token())
            self.firsts.append(first.seconds if first.status == 200 else float("inf"))
            self.new.fields = bearer(self.issuer.access_token())
            await asyncio.sleep(PAUSE + 0.5)
            self.fetches.append(self.issuer.count("/jwks") - asked)
            self.refused_old += (await self.shown(old)).status != 200
            if gone is not None:
                self.passed_gone += (await self.shown(gone_token)).status == 200
                # A key that nobody knows was looked up: the pause begins anew.
                await asyncio.sleep(PAUSE + 0.5)

    async def shown(self, token: str) -> Asked:
        """One request beside the load."""
        return await once(self.port, bearer(token))


def signed_by(issuer: Issuer, key: Key) -> str:
    """A new token of a key that is no longer the first."""
    keys, issuer.keys = issuer.keys, [key]
    try:
        return issuer.access_token()
    finally:
        issuer.keys = keys
