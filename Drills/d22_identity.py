"""D22 concurrency and identity: 200 users on 10,000 connections; nobody is taken for another."""
import random
import signal

from Drills.bars import NotHere, least, most
from Drills.crosstalk import Credential, Crosstalk
from Drills.site import Site, Vitals
from support.browser import LightBrowser
from support.gatehouse import Gatehouse, openid_connect, plugin, route, service
from support.issuer import Issuer
from support.tokens import tampered

BARS = [
    most("wrong", "answers of another user or another request", 0),
    least("answers", "answers that were checked", 1_000_000),
    least("broken off", "batches that clients broke off", 1000),
    least("reloads", "reloads meanwhile", 5),
    most("failures", "failed requests", 0),
    most("files", "descriptors back to the start within", 10, " s"),
]


def drill(site: Site) -> dict:
    users, each, total = site.pick(200, 20), site.pick(50, 10), site.pick(1_000_000, 20_000)
    port = site.backend("location /u { return 200 '$arg_n $http_x_subject'; }")
    with Issuer() as issuer:
        issuer.access_seconds = 3600
        shapes = [configuration(issuer, port, count) for count in (1, 30)]
        gatehouse = site.gatehouse(
            shapes[0], GATEHOUSE_WORKERS="2", GATEHOUSE_LIMIT_HEAD_SECONDS="600", GATEHOUSE_LIMIT_IDLE_SECONDS="600")
        vitals = Vitals(gatehouse)
        credentials = shown(issuer, gatehouse, users, site.pick(30, 4))
        talk = Crosstalk(gatehouse.port, credentials, users * each, site.pick(400, 50), aborts=0.02)
        seconds, reloads = [0, 0], [0]

        def beside():
            seconds[1] += 1
            if seconds[1] % 3 == 0:
                gatehouse.write(shapes[reloads[0] % 2])
                gatehouse.process.signal(signal.SIGHUP)
                reloads[0] += 1

        seconds[0] = talk.run(total, beside)
        talk.close()
        taken = gatehouse.metric("gatehouse_reloads_total", result="taken")
    for text in talk.wrong[:5]:
        site.note(f"wrong: {text}")
    site.note(f"{talk.answers} answers in {seconds[0]:.0f} s over {users * each} connections ({talk.reopened} opened), "
              f"{talk.refused} of them 401 as they should; failures {dict(talk.failures)}")
    return {
        "wrong": len(talk.wrong), "answers": talk.answers if not site.quick else NotHere(f"{talk.answers} in a quick run"),
        "broken off": talk.broken_off if not site.quick else NotHere(f"{talk.broken_off} in a quick run"),
        "reloads": taken if not site.quick else NotHere(f"{taken:.0f} in a quick run"),
        "failures": sum(talk.failures.values()), "files": vitals.files_back()}


def configuration(issuer: Issuer, port: int, count: int) -> dict:
    """The route with the login, and as many others as a reload wants."""
    return {"services": [service(
        f"http://127.0.0.1:{port}",
        route("users", "/u", plugins=[openid_connect(
            issuer, upstream_headers_claims=["sub"], upstream_headers_names=["X-Subject"])]),
        *(route(f"other-{number}", f"/other/{number}", plugins=[plugin("key-auth")]) for number in range(count)))]}


def shown(issuer: Issuer, gatehouse: Gatehouse, users: int, sessions: int) -> list[Credential]:
    """Five tokens a user, sessions of some, and what must not pass: nothing, and tokens that were changed."""
    found = []
    for number in range(users):
        subject = f"user-{number}"
        for _ in range(5):
            found.append(Credential(f"Authorization: Bearer {issuer.access_token(subject=subject)}", subject))
    for number in range(sessions):
        issuer.user = {**issuer.user, "sub": f"user-{number}"}
        browser = LightBrowser()
        answer = browser.follow(gatehouse.url + "/u?n=1")
        if answer.text != f"1 user-{number}":
            raise RuntimeError(f"a login came to {answer.status_code} {answer.text[:100]}")
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items() if "session-" in name)
        found.append(Credential(f"Cookie: {cookies}", f"user-{number}"))
        browser.close()
    changed = [Credential(f"Authorization: Bearer {tampered(issuer.access_token(subject='user-0'))}", None) for _ in range(users // 10)]
    nobody = [Credential("Accept: text/plain", None) for _ in range(users // 10)]
    random.shuffle(found)
    return [*found, *changed, *nobody]
