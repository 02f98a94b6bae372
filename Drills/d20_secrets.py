"""D20 secrets: after logins, refreshes and refusals at debug level: logs, metrics, pages, reports, the command line and a crash's remains."""
import base64
import os
import pathlib
import resource
import signal
import time

import httpx

from Drills.bars import least, most
from Drills.site import Site
from support import issuer as faults
from support import ledger
from support.browser import NAVIGATION, LightBrowser, shown
from support.gatehouse import Gatehouse, openid_connect, plugin, route, run, service
from support.issuer import Issuer
from support.redis import Redis

PLACES = {
    "logs": "its log at debug level, and what it wrote beside it", "metrics": "metrics and states", "pages": "error pages and refusals",
    "reports": "what its commands report", "process": "what other users see of the process"}
BARS = [
    *(most(place, f"secrets in {said}", 0) for place, said in PLACES.items()),
    least("secrets", "secrets that were looked for", 1000, full_only=True),
    least("kinds", "kinds of them", 10),
    least("read", "KB that were read", 100, " KB"),
    most("core", "octets of a core file that the system allows", 0),
    most("dumped", "crashes (SIGABRT) that left a core", 0),
]


def drill(site: Site) -> dict:
    port, scene = site.backend(), Scene(site)
    with Issuer() as issuer:
        gatehouse = scene.program(issuer, port)
        for _ in range(site.pick(100, 5)):
            scene.good_user(issuer)
            scene.bad_requests(issuer)
        scene.outage(issuer)
        scene.look_around()
        figures = {"core": core_limit(gatehouse), "dumped": crashed(gatehouse)}
        texts = scene.texts()
    secrets = {**ledger.secrets, **scene.keys()}
    for place, text in texts.items():
        kinds = found(text, secrets)
        figures[place] = len(kinds) if text else "nothing was read"
        site.note(f"{place}: {len(text) // 1024} KB" + (f", in it: {sorted(set(kinds))}" if kinds else ""))
    kinds = sorted(set(secrets.values()))
    site.note(f"{len(secrets)} secrets: {', '.join(kinds)}")
    return {**figures, "secrets": len(secrets), "kinds": len(kinds), "read": sum(map(len, texts.values())) / 1024}


def found(text: str, secrets: dict[str, str]) -> list[str]:
    """The kinds of those secrets that stand in a text, never the secrets."""
    return [kind for value, kind in secrets.items() if value in text]


def core_limit(gatehouse: Gatehouse) -> float:
    """The greatest core file that the system would write of the program."""
    soft, hard = resource.prlimit(gatehouse.process.popen.pid, resource.RLIMIT_CORE)
    return float("inf") if resource.RLIM_INFINITY in (soft, hard) else max(soft, hard)


def crashed(gatehouse: Gatehouse) -> int:
    """1 if the program's crash left its memory behind."""
    pid = gatehouse.process.popen.pid
    while True:
        # The first one is reported by Swift's runtime, in the log, which is read afterwards.
        os.kill(pid, signal.SIGABRT)
        time.sleep(1)
        if end := os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
            break
    cores = [file for file in pathlib.Path.cwd().glob("core*") if file.is_file()]
    return int(end.si_code == os.CLD_DUMPED or bool(cores))


class Scene:
    """One program, everybody who meets it, and what they hear."""

    def __init__(self, site: Site):
        self.site, self.pages, self.reports, self.metrics, self.process = site, [], [], [], []
        self.password = ledger.keep("a-password-of-the-store", "password of the store")
        self.key = ledger.keep("a-key-of-a-service-1234", "API key")
        self.redis = Redis(site.folder / "redis", "--requirepass", self.password, password=self.password).start()
        site.ending.callback(self.redis.stop)

    def program(self, issuer: Issuer, port: int) -> Gatehouse:
        """The program at debug level, with no limit on cores but its own."""
        methods = ["authorization_code", "session", "refresh_token", "bearer", "introspection"]
        opaque = openid_connect(issuer, auth_methods=["introspection"], introspection_endpoint=issuer.url + "/introspect")
        rules = {
            "services": [service(
                f"http://127.0.0.1:{port}",
                route("web", "/", plugins=[openid_connect(issuer, auth_methods=methods[:4])]),
                route("tokens", "/tokens", plugins=[opaque]), route("keys", "/keys", plugins=[plugin("key-auth")]))],
            "consumers": [{"username": "ann", "keyauth_credentials": [{"key": self.key}]}]}
        with self.site.under("prlimit", "--core=unlimited:unlimited"):
            self.gatehouse = self.site.gatehouse(
                rules, GATEHOUSE_LOG_LEVEL="debug", GATEHOUSE_ACCESS_LOG="on",
                GATEHOUSE_SESSION_STORE=f"redis://:{self.password}@127.0.0.1:{self.redis.port}/0")
        return self.gatehouse

    # What happens

    def ask(self, path: str = "/", **fields: str):
        """Keeps what is heard of a refusal, fields and body; where it leads holds a state, as it has to."""
        answer = httpx.get(self.gatehouse.url + path, headers={**NAVIGATION, **fields}, timeout=30)
        if not answer.is_redirect:
            told = {name: value for name, value in answer.headers.items() if name != "set-cookie"}
            self.pages.append(f"{told} {answer.text}")
        return answer

    def good_user(self, issuer: Issuer):
        """Logs in, has its token renewed, and signs out."""
        issuer.access_seconds = 1
        user = LightBrowser()
        user.follow(self.gatehouse.url + "/")
        issuer.access_seconds = 600
        time.sleep(1)
        if httpx.get(self.gatehouse.url, headers=shown(user)).status_code != 200:
            raise RuntimeError("a session with an ended token failed")
        self.ask("/tokens", Authorization=f"Bearer {issuer.opaque_token()}")
        self.ask("/keys", apikey=self.key)
        self.ask(Authorization=f"Bearer {issuer.access_token()}")
        httpx.post(self.gatehouse.url + "/oauth2/sign_out", headers={**shown(user), "Sec-Fetch-Site": "same-origin"})
        self.ask(**shown(user))
        user.close()

    def bad_requests(self, issuer: Issuer):
        """What is refused, with secrets in every place where one can stand."""
        token, user = issuer.access_token(), LightBrowser()
        self.ask(Authorization=f"Bearer {token[:-6]}AAAAAA")
        self.ask(Authorization=f"Bearer {token}", Cookie=f"session-0000={token}")
        self.ask(f"/?access_token={token}", Authorization=f"Basic {token}")
        self.ask("/tokens", Authorization=f"Bearer {ledger.keep(base64.b64encode(os.urandom(24)).decode(), 'no token')}")
        self.ask("/keys", apikey=self.key + "x")
        back = user.to_callback(self.gatehouse.url + "/")
        stranger = LightBrowser()
        for browser, address in ((stranger, back), (user, back.replace("code=", "code=x")), (user, back), (user, back)):
            answer = browser.open(address)
            if not answer.is_redirect:
                self.pages.append(answer.text)
        for browser in (user, stranger):
            browser.close()

    def outage(self, issuer: Issuer):
        """Issuer and store fail while they are asked."""
        for trouble in (faults.status(500), faults.garbage, faults.status(401)):
            issuer.trouble["/token"] = trouble
            user = LightBrowser()
            self.pages.append(user.open(user.to_callback(self.gatehouse.url + "/")).text)
            user.close()
        issuer.trouble.clear()
        user = LightBrowser()
        user.follow(self.gatehouse.url + "/")
        self.redis.kill()
        self.gatehouse.wait_for_line(lambda line: line.get("message") == "session store down")
        time.sleep(1.1)
        self.ask(**shown(user))
        user.close()

    def look_around(self):
        """What operators look at: before and after a reload that is refused."""
        file, good = self.gatehouse.file, self.gatehouse.file.read_text()
        for text in (good, good + "\nnonsense: [\n"):
            file.write_text(text)
            self.report("check", str(file))
            self.report("reload", folder=self.gatehouse.folder, environment=self.gatehouse.environment)
        file.write_text(good)
        self.report("keys", "list", "--dir", self.gatehouse.environment["GATEHOUSE_KEYS_DIR"])
        self.report("explain", "--config", str(file), "--request", "GET https://a.test/keys", "--header", f"apikey: {self.key}")
        seen = pathlib.Path(f"/proc/{self.gatehouse.process.popen.pid}")
        self.process = [(seen / name).read_bytes().decode(errors="replace") for name in ("cmdline", "comm", "status")]
        for path in ("/metrics", "/status", "/status/ready"):
            self.metrics.append(httpx.get(self.gatehouse.status_url + path, timeout=30).text)

    def report(self, *words: str, **options):
        done = run(*words, **options)
        self.reports.append(done.stdout + done.stderr)

    # What is read

    def keys(self) -> dict[str, str]:
        """The program's own keys, line by line as its files have them."""
        folder = pathlib.Path(self.gatehouse.environment["GATEHOUSE_KEYS_DIR"])
        lines = [line.strip() for file in folder.rglob("*") if file.is_file()
                 for line in file.read_bytes().decode(errors="replace").splitlines()]
        return {line: "key of ours" for line in lines if len(line) >= 32}

    def texts(self) -> dict[str, str]:
        """All that was heard, by where."""
        written = [file.read_text(errors="replace") for file in self.gatehouse.folder.rglob("*")
                   if file.is_file() and file.suffix in (".jsonl", ".log", ".txt")]
        return {"logs": "\n".join(written), "metrics": "\n".join(self.metrics), "pages": "\n".join(self.pages),
                "reports": "\n".join(self.reports), "process": "\n".join(self.process)}
