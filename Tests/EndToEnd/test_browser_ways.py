"""Answers that are posted, in Chromium over https: the attempt's cookie crosses sites, and nothing stands in a URL."""
import pytest

from support.browser import Browser
from support.certificates import Authority
from support.gatehouse import openid_connect, route, service
from support.processes import free_port, wait_until
from test_browser import login


@pytest.fixture
def trusting():
    """Chromium that takes certificates of authorities that only this test knows."""
    person = Browser("--ignore-certificate-errors")
    yield person
    person.close()


@pytest.fixture
def begin(start, upstream, issuer):
    """Everything behind a login, over https; the issuer is another site."""
    def make(**config):
        port, plain = free_port(), free_port()
        started = start(
            {"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(issuer, **config)]))],
             "certificates": [Authority().sign("localhost").entity("localhost")]},
            plain, GATEHOUSE_PROXY_LISTEN=f"127.0.0.1:{plain}, 127.0.0.1:{port} ssl http2")
        started.secure = f"https://localhost:{port}"
        return started
    return make


@pytest.mark.parametrize("mode", ["form_post", "form_post.jwt"])
def test_a_posted_answer_ends_a_login(begin, issuer, upstream, trusting, mode):
    """K1, K2, A11: `SameSite=None; Secure` for the attempt alone; the session's cookie is `Lax` and comes along next."""
    gatehouse = begin(response_mode=mode)
    trusting.open(gatehouse.secure + "/reports?sort=date")
    wait_until(lambda: trusting.address == gatehouse.secure + "/reports?sort=date", "the login's end")
    assert upstream.last.target == "/reports?sort=date" or any(
        seen.target == "/reports?sort=date" for seen in upstream.seen)
    [session] = [one for one in trusting.driver.get_cookies() if "session-" in one["name"]]
    assert session["name"].startswith("__Host-") and session["sameSite"] == "Lax"
    assert not any("authorization-" in one["name"] and "landing" not in one["name"]
                   for one in trusting.driver.get_cookies())
    told = [entry["message"] for entry in trusting.driver.get_log("performance")]
    assert not any("/oauth2/callback?" in message for message in told)
    assert issuer.count("/token") == 1


def test_a_strict_session_holds(begin, issuer, upstream, trusting):
    """Complaint 20: a cookie that crosses no sites comes along all the same, by a page of ours."""
    gatehouse = begin(session_cookie_same_site="Strict")
    trusting.open(gatehouse.secure + "/reports?sort=date")
    wait_until(lambda: trusting.address == gatehouse.secure + "/reports?sort=date", "the login's end")
    assert any(seen.target == "/reports?sort=date" for seen in upstream.seen) and issuer.count("/token") == 1
    [session] = [one for one in trusting.driver.get_cookies() if "session-" in one["name"]]
    assert session["sameSite"] == "Strict"


def test_a_posted_answer_of_a_stranger_is_none(begin, issuer, upstream, trusting):
    """S5, V12: a page of another site posts a code of its own; there is no attempt of this browser."""
    gatehouse = begin(response_mode="form_post")
    trusting.open(f"http://127.0.0.1:{upstream.port}/evil")
    trusting.driver.execute_script("""
        const form = document.createElement('form');
        form.method = 'post'; form.action = arguments[0] + '/oauth2/callback';
        for (const name of ['code', 'state']) {
          const input = document.createElement('input');
          input.name = name; input.value = 'theirs'; form.append(input);
        }
        document.body.append(form);
        form.submit();""", gatehouse.secure)
    wait_until(lambda: "please start again" in trusting.text, "the page")
    assert issuer.count("/token") == 0
    assert trusting.driver.get_cookies() == []


@pytest.mark.parametrize("config", [
    {"require_pushed_authorization_requests": True}, {"require_signed_request_object": True},
], ids=["pushed", "signed"])
def test_a_real_provider_takes_it(start, upstream, providers, gateway_port, browser, config):
    """RFC 9126, RFC 9101 at Glewlwyd.

    It takes no signed request that is pushed (403 without a word), and its posted answers carry `iss` encoded twice,
    which is another issuer to us (A7): those ways have the scripted issuer alone.
    """
    glewlwyd = providers("glewlwyd")
    key = glewlwyd.info["clients"]["web"]["private_jwk"]
    gatehouse = start({"services": [service(upstream.url, route("app", "/app", plugins=[
        login(glewlwyd, client_jwk=[key], **config)]))]}, gateway_port)
    browser.open(gatehouse.url + "/app/x?y=1")
    out = browser.last_request(glewlwyd.issuer, "client_id=")
    assert ("request_uri=" in out) == ("require_pushed_authorization_requests" in config)
    assert "nonce=" not in out
    browser.log_in("alice", glewlwyd.password("alice"), lambda at: at == gatehouse.url + "/app/x?y=1")
    assert any(seen.target == "/app/x?y=1" and seen.first("x-user") == "alice" for seen in upstream.seen)
