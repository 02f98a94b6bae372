"""What browsers are told with every answer of our own, over https and over http."""
import httpx
import pytest

from support.certificates import Authority
from support.gatehouse import openid_connect, route, service
from support.processes import free_port

NAVIGATION = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
OWN = [("GET", "/oauth2/sign_out", 200), ("GET", "/oauth2/sign_in", 302), ("GET", "/oauth2/userinfo", 401),
       ("GET", "/oauth2/callback", 400), ("GET", "/oauth2/start?rd=//evil.example", 400), ("POST", "/oauth2/renew", 403),
       ("GET", "/oauth2/auth", 403), ("GET", "/private", 302), ("POST", "/private", 401), ("GET", "/nowhere", 404)]


@pytest.fixture
def doors(start, upstream, issuer):
    """Both schemes; a name that is no local one, which only a field of the request says."""
    def make(**settings):
        plain, secure = free_port(), free_port()
        start({"services": [service(upstream.url, route("open", "/open"),
                                    route("private", "/private", plugins=[openid_connect(issuer)]))],
               "certificates": [Authority().sign("app.example").entity("app.example")]},
              plain, GATEHOUSE_PROXY_LISTEN=f"127.0.0.1:{plain}, 127.0.0.1:{secure} ssl", GATEHOUSE_REDIRECT_HOSTS="app.example",
              **settings)

        def ask(scheme: str, method: str, path: str, host: str = "app.example", **fields) -> httpx.Response:
            port = secure if scheme == "https" else plain
            with httpx.Client(verify=False) as client:
                return client.request(method, f"{scheme}://127.0.0.1:{port}{path}",
                                      headers={**NAVIGATION, "Host": host, **fields},
                                      extensions={"sni_hostname": "app.example"})
        return ask
    return make


def test_own_answers_tell_browsers_what_they_may(doors):
    """V18: HSTS over https alone, nosniff, a policy under which nothing runs or frames, no referrer, nothing kept."""
    ask = doors()
    for method, path, status in OWN:
        for scheme in ("https", "http"):
            answer = ask(scheme, method, path)
            what = (scheme, method, path, answer.status_code)
            assert answer.status_code == status, what
            transport = answer.headers.get_list("strict-transport-security")
            if path != "/oauth2/auth":
                assert transport == (["max-age=31536000"] if scheme == "https" else []), what
            if answer.headers.get("content-type", "").startswith("text/html"):
                policy = answer.headers["content-security-policy"]
                assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy, what
                assert "base-uri 'none'" in policy and "script" not in policy, what
                assert answer.headers["x-frame-options"] == "DENY", what
                assert answer.headers["cross-origin-opener-policy"] == "same-origin", what
            if answer.content:
                assert answer.headers["x-content-type-options"] == "nosniff", what
                assert answer.headers["cache-control"] == "no-store", what
            if path.startswith("/oauth2/") and status < 400:
                assert answer.headers["referrer-policy"] == "no-referrer", what


def test_an_upstream_says_it_for_itself(doors):
    """V18: what an application answers is its own to guard; a local name is never bound to https."""
    ask = doors()
    assert "strict-transport-security" not in ask("https", "GET", "/open").headers
    for host in ("localhost", "app.localhost"):
        assert "strict-transport-security" not in ask("https", "GET", "/oauth2/sign_out", host).headers


@pytest.mark.parametrize("seconds, told", [("0", []), ("300", ["max-age=300"])])
def test_how_long_is_a_setting(doors, seconds, told):
    ask = doors(GATEHOUSE_HSTS_MAX_AGE=seconds)
    assert ask("https", "GET", "/oauth2/sign_out").headers.get_list("strict-transport-security") == told
