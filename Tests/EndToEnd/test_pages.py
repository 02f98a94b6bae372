"""Our own pages as people see them: in light and dark, with a keyboard, in their language, as the operator dresses them."""
import base64
import os
import pathlib

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from support.gatehouse import openid_connect, route, service
from support.issuer import Issuer
from support.processes import wait_until

LOGO = ("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"40\" height=\"40\">"
        "<circle cx=\"20\" cy=\"20\" r=\"18\" fill=\"#0a7d4f\"/></svg>")
# Where pictures are left to be looked at; the tests themselves judge colours and sizes.
PICTURES = os.environ.get("GATEHOUSE_PICTURES")


@pytest.fixture
def gatehouse(start, upstream):
    """Two logins, and a route that nobody may enter."""
    with Issuer(name="first") as first, Issuer(name="second") as second:
        yield start({"services": [service(
            upstream.url, route("one", "/one", plugins=[openid_connect(first, login_title="Staff")]),
            route("two", "/two", plugins=[openid_connect(second, login_title="Guests")]),
            route("three", "/three", plugins=[openid_connect(first, groups_required=["nobody"])]))]})


def scheme(browser, value: str):
    """Says which colours the browser's owner prefers."""
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
        "features": [{"name": "prefers-color-scheme", "value": value}]})


def language(browser, value: str):
    browser.driver.execute_cdp_cmd("Network.enable", {})
    browser.driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {"Accept-Language": value}})


def picture(browser, name: str):
    if PICTURES:
        pathlib.Path(PICTURES).mkdir(parents=True, exist_ok=True)
        browser.driver.save_screenshot(f"{PICTURES}/{name}.png")


def colour(browser, selector: str, name: str) -> tuple[float, float, float]:
    """A computed colour, each part from 0 to 1."""
    text = browser.driver.execute_script(
        "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]", selector, name)
    return tuple(int(float(part)) / 255 for part in text[text.index("(") + 1:-1].split(",")[:3])


def contrast(one, other) -> float:
    """The contrast of two colours (WCAG 2.2, 1.4.3)."""
    def light(parts):
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue
    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def reach(browser, gatehouse, name: str):
    """Opens a page of ours."""
    path = {"chooser": "/oauth2/sign_in", "error": "/oauth2/callback", "sign-out": "/oauth2/sign_out",
            "signed-out": "/oauth2/sign_out", "forbidden": "/three", "lost": "/oauth2/resume?form=x"}[name]
    browser.open(gatehouse.url + path)
    if name == "signed-out":
        browser.click("button")
        wait_until(lambda: "signed out" in browser.text or "abgemeldet" in browser.text, "the page after it")


NAMES = ["chooser", "error", "sign-out", "signed-out", "forbidden", "lost"]


@pytest.mark.parametrize("name", NAMES)
def test_a_page_can_be_read_by_everybody(gatehouse, browser, name):
    """Contrast 4.5 in light and dark (WCAG 1.4.3), a language, one heading, targets of 24 pixels (2.5.8), a narrow window."""
    grounds = []
    for preferred in ("light", "dark"):
        scheme(browser, preferred)
        reach(browser, gatehouse, name)
        picture(browser, f"{name}-{preferred}")
        ground = colour(browser, "body", "backgroundColor")
        grounds.append(ground)
        assert contrast(colour(browser, "h1", "color"), ground) >= 7
        for element in browser.driver.find_elements(By.CSS_SELECTOR, "a, button"):
            own = browser.driver.execute_script("return getComputedStyle(arguments[0]).backgroundColor", element)
            behind = ground if own in ("rgba(0, 0, 0, 0)", "transparent") else None
            selector = "a.way" if element.tag_name == "a" and behind is None else element.tag_name
            behind = behind or colour(browser, selector, "backgroundColor")
            assert contrast(colour(browser, selector, "color"), behind) >= 4.5
            assert element.size["height"] >= 24 and element.size["width"] >= 24
        for _ in browser.driver.find_elements(By.CSS_SELECTOR, ".facts"):
            assert contrast(colour(browser, ".facts", "color"), ground) >= 4.5
    assert grounds[0] != grounds[1]
    driver = browser.driver
    assert len(driver.find_elements(By.CSS_SELECTOR, "h1")) == len(driver.find_elements(By.CSS_SELECTOR, "main")) == 1
    assert driver.execute_script("return document.documentElement.lang") in ("en", "de")
    assert driver.title
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": 320, "height": 600, "deviceScaleFactor": 1, "mobile": True})
    assert driver.execute_script("return document.documentElement.scrollWidth <= 320")


def test_a_page_is_used_by_keyboard_alone(gatehouse, browser):
    """The first stop of the tab key is the way on, it is seen, and Enter takes it."""
    reach(browser, gatehouse, "chooser")
    browser.driver.switch_to.active_element.send_keys(Keys.TAB)
    focused = browser.driver.switch_to.active_element
    assert focused.text == "Staff"
    assert browser.driver.execute_script("return getComputedStyle(arguments[0]).outlineStyle", focused) == "solid"
    focused.send_keys(Keys.ENTER)
    wait_until(lambda: browser.address == gatehouse.url + "/one", "the login's end")


def test_a_page_speaks_german(gatehouse, browser):
    language(browser, "de-DE,de;q=0.9")
    for name, words in [("chooser", "Wählen Sie, wie Sie sich anmelden."), ("sign-out", "Abmelden"),
                        ("signed-out", "Sie sind abgemeldet"), ("forbidden", "Erneut anmelden"),
                        ("lost", "Ihre Eingaben sind nicht mehr da")]:
        reach(browser, gatehouse, name)
        picture(browser, f"{name}-de")
        assert words in browser.text
        assert browser.driver.execute_script("return document.documentElement.lang") == "de"


def test_nothing_of_a_page_comes_from_elsewhere_or_is_refused(gatehouse, browser):
    """V18: no request but the page's own, and its style is the one that the policy allows."""
    for name in NAMES:
        reach(browser, gatehouse, name)
        assert browser.driver.execute_script("return document.styleSheets[0].cssRules.length") > 5
        assert browser.driver.execute_script("return performance.getEntriesByType('resource').length") == 0
    messages = [entry["message"] for entry in browser.driver.get_log("browser") if "favicon" not in entry["message"]]
    assert not [message for message in messages if "Content Security Policy" in message], messages


def test_an_operator_dresses_the_pages(start, upstream, issuer, browser, tmp_path):
    """`page_name`, `page_logo_file`, `page_style_file`: shown under the strict policy, and no wider than that."""
    style, logo = tmp_path / "style.css", tmp_path / "logo.svg"
    style.write_text(":root{--accent:#0a7d4f}\nbody{background:rgb(250, 245, 235) url(https://evil.test/x.png)}\n")
    logo.write_text(LOGO)
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(issuer)]))]},
                      GATEHOUSE_PAGE_NAME="Ann & Sons", GATEHOUSE_PAGE_LOGO_FILE=str(logo),
                      GATEHOUSE_PAGE_STYLE_FILE=str(style))
    scheme(browser, "light")
    browser.open(gatehouse.url + "/oauth2/sign_out")
    picture(browser, "dressed")
    assert "Ann & Sons" in browser.text
    image = browser.driver.find_element(By.CSS_SELECTOR, ".brand img")
    assert image.get_attribute("src") == "data:image/svg+xml;base64," + base64.b64encode(LOGO.encode()).decode()
    assert browser.driver.execute_script("return arguments[0].naturalWidth", image) == 40
    assert colour(browser, "button", "backgroundColor") == (10 / 255, 125 / 255, 79 / 255)
    assert colour(browser, "body", "backgroundColor") == (250 / 255, 245 / 255, 235 / 255)
    refused = [entry["message"] for entry in browser.driver.get_log("browser") if "evil.test" in entry["message"]]
    assert refused and all("Content Security Policy" in message for message in refused)
