"""Headless Chromium, and a light browser for what needs no script."""
import json
import time
from urllib.parse import urljoin, urlsplit

import httpx
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from support import ledger

NAVIGATION = {
    "Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none",
}
NAME = "input[name=login], input[name=username], input[autocomplete=username]:not(.dummy-username)"
PASSWORD = "input[type=password]"
# The first that is on the page: an agreement stands before a plain button, because its page may offer more.
FORWARD = ("button[name=answer][value=accept]", "button[name=answer][value=logout]", "button.btn-success",
           "button[type=submit]", "input[type=submit]", "button.btn-primary")


def chromium(*more: str) -> webdriver.Chrome:
    """A browser with a profile of its own, and more arguments."""
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run",
                     "--disable-background-networking", "--disable-component-update", "--lang=en", *more):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    # Both paths are given, so that selenium looks for nothing to download.
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    driver.set_page_load_timeout(30)
    return driver


class Browser:
    """A person at a browser."""

    def __init__(self, *arguments: str):
        self.driver = chromium(*arguments)

    @property
    def address(self) -> str:
        return self.driver.current_url

    @property
    def text(self) -> str:
        """What can be read on the page, in one look: an element of it may belong to a page that is going away."""
        return self.driver.execute_script("return document.body ? document.body.innerText : ''")

    def open(self, url: str):
        self.driver.get(url)

    def last_request(self, begin: str, part: str) -> str:
        """The last URL that was asked for since the last call, of those that begin and hold as given."""
        told = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        urls = [message["params"]["request"]["url"] for message in told
                if message["method"] == "Network.requestWillBeSent"]
        return [url for url in urls if url.startswith(begin) and part in url][-1]

    def visible(self, selector: str):
        """The first element of `selector` that can be seen and used, or None."""
        found = self.driver.find_elements(By.CSS_SELECTOR, selector)
        return next((element for element in found if element.is_displayed() and element.is_enabled()), None)

    def log_in(self, user: str, password: str, until, seconds: float = 30):
        """Fills in what the pages ask for until `until(address)` holds."""
        end, tried = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            if until(self.address):
                return
            try:
                tried += self.step(user, password)
            except WebDriverException:
                pass  # the page changed under our hands: look again
            time.sleep(0.15)
        raise TimeoutError(f"no way on from {self.address}: {self.text[:300]}")

    def step(self, user: str, password: str) -> bool:
        """Fills in and sends what this page asks for; whether a password was sent."""
        name, secret = self.visible(NAME), self.visible(PASSWORD)
        if name and not name.get_attribute("value"):
            name.send_keys(user)
        if secret and not secret.get_attribute("value"):
            secret.send_keys(password)
        forward = next(filter(None, map(self.visible, FORWARD)), None)
        if forward:
            forward.click()
        return bool(secret)

    def click(self, selector: str):
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def close(self):
        try:
            for cookie in self.driver.get_cookies():
                ledger.keep(cookie["value"], "cookie")
        finally:
            self.driver.quit()


class LightBrowser:
    """Follows redirects and keeps cookies, one step at a time; for issuers that ask for nothing."""

    def __init__(self):
        self.client = httpx.Client(follow_redirects=False, timeout=30)

    def open(self, url: str, **options) -> httpx.Response:
        """One navigation without following redirects."""
        fields = {**NAVIGATION, **options.pop("headers", {})}
        answer = self.client.get(url, headers=fields, **options)
        for value in answer.cookies.values():
            ledger.keep(value, "cookie")
        return answer

    def follow(self, url: str, limit: int = 10) -> httpx.Response:
        """Navigates until an answer is no redirect."""
        for _ in range(limit):
            answer = self.open(url)
            if not answer.is_redirect:
                return answer
            url = urljoin(url, answer.headers["location"])
        raise RuntimeError(f"redirected more than {limit} times, at last to {url.split('?')[0]}")

    def to_callback(self, url: str) -> str:
        """Starts a login at `url` and returns the address of the way back, not yet opened."""
        out = self.open(url)
        assert out.status_code == 302, (out.status_code, out.text[:300])
        back = self.open(out.headers["location"])
        assert back.status_code == 302, (back.status_code, back.text[:300])
        return back.headers["location"]

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.name: cookie.value for cookie in self.client.cookies.jar}

    def close(self):
        self.client.close()


def origin(url: str) -> str:
    """Scheme and authority of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def shown(browser: LightBrowser) -> dict[str, str]:
    """What a script with the browser's cookies would send."""
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items()),
            "Accept": "application/json"}
