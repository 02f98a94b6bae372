"""Many requests of one session at the same moment, and the renewals that they cause."""
import asyncio
import collections
import time

import httpx

CROWD = 200


def crowd(urls: list[str], fields: dict, count: int = CROWD) -> list[httpx.Response]:
    """So many requests at once, spread over the nodes."""
    async def all_of_them():
        limits = httpx.Limits(max_connections=count, max_keepalive_connections=0)
        async with httpx.AsyncClient(headers=fields, timeout=60, limits=limits) as client:
            return await asyncio.gather(*(client.get(urls[number % len(urls)]) for number in range(count)))
    return asyncio.run(all_of_them())


def statuses(answers) -> dict[int, int]:
    return dict(collections.Counter(answer.status_code for answer in answers))


def refreshes(issuer) -> int:
    return sum(asked.form.get("grant_type") == "refresh_token" for asked in issuer.asked)


def slowly(issuer, seconds: float = 0.3):
    """The token endpoint takes its time, so that a crowd gathers."""
    def answer(handler):
        time.sleep(seconds)
        handler.token(issuer.asked[-1].form)
    issuer.trouble["/token"] = answer
