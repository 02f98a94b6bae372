"""What the end-to-end tests are given: the program, upstreams, issuers and browsers, all ended with the test."""
import itertools
import os

import pytest

from support import ledger
from support.browser import Browser, LightBrowser
from support.gatehouse import Gatehouse
from support.issuer import Issuer
from support.processes import free_port
from support.provider import Provider
from support.redis import Redis
from support.upstream import Upstream


def pytest_sessionstart(session):
    """Learns what the tests know that ran side by side before."""
    if not hasattr(session.config, "workerinput") and (folder := os.environ.get("TEST_LEDGERS")):
        ledger.take_over(folder)


def pytest_sessionfinish(session):
    """One of several workers leaves what it knows to the run that looks for secrets."""
    if hasattr(session.config, "workerinput") and (folder := os.environ.get("TEST_LEDGERS")):
        ledger.hand_over(folder)


# Files that take a minute or more, the longest first: begun late, one of them would keep the others waiting.
LONG = [
    "test_refresh", "test_gateway_logins", "test_sentinel", "test_browser", "test_session_store", "test_gateway_outages",
    "test_login", "test_logout", "test_redis_cluster", "test_forms"]


def pytest_collection_modifyitems(items):
    """The search for secrets comes last: it looks through what all others left behind."""
    names = {name: place - len(LONG) for place, name in enumerate(LONG)} | {"test_secrets": 1}
    items.sort(key=lambda item: names.get(item.module.__name__, 0))


@pytest.fixture
def upstream():
    """A sample API of the test's own."""
    with Upstream() as server:
        yield server


@pytest.fixture
def issuer():
    """A scripted issuer of the test's own."""
    with Issuer() as server:
        yield server


@pytest.fixture
def redis(tmp_path):
    """A Redis of the test's own."""
    server = Redis(tmp_path / "redis").start()
    yield server
    server.stop()


@pytest.fixture
def start(tmp_path):
    """Starts the program with a configuration; as often as wanted."""
    started, numbers = [], itertools.count()

    def begin(configuration, port: int | None = None, **environment) -> Gatehouse:
        gatehouse = Gatehouse(tmp_path / f"gatehouse-{next(numbers)}", configuration, port, **environment)
        started.append(gatehouse)
        return gatehouse.start()

    yield begin
    for gatehouse in started:
        gatehouse.stop()


@pytest.fixture
def light():
    """Makes browsers without a script engine."""
    made = []

    def make() -> LightBrowser:
        made.append(LightBrowser())
        return made[-1]

    yield make
    for browser in made:
        browser.close()


@pytest.fixture
def browser():
    """Headless Chromium with a profile of its own."""
    person = Browser()
    yield person
    person.close()


@pytest.fixture(scope="session")
def gateway_port() -> int:
    """The port at which the providers know the gateway."""
    return free_port()


@pytest.fixture(scope="session")
def providers(tmp_path_factory, gateway_port):
    """The real providers, started once, the first time one is asked for."""
    running: dict[str, Provider] = {}

    def provider(name: str) -> Provider:
        if name not in running:
            running[name] = Provider(
                name, tmp_path_factory.mktemp(name), f"http://127.0.0.1:{gateway_port}/oauth2/callback").start()
        return running[name]

    yield provider
    for one in running.values():
        one.stop()


@pytest.fixture(params=["canaille", "glewlwyd"])
def provider(request, providers) -> Provider:
    """Each real provider in turn."""
    return providers(request.param)
