"""Every command of the program, as its contract says."""
import json
import re
import socket
import stat

import httpx
import pytest
import yaml

from support import ledger
from support.gatehouse import openid_connect, plugin, route, run, service
from support.issuer import Issuer
from support.tokens import Key, claims_of, compact, encode, tampered, with_secret

GOOD = {"_format_version": "3.0", "services": [{
    "name": "api", "url": "http://127.0.0.1:9", "routes": [{"name": "api", "paths": ["/api"]}]}]}


@pytest.fixture
def write(tmp_path):
    """Writes a file and returns its path."""
    def to(text, name: str = "gatehouse.yaml") -> str:
        path = tmp_path / name
        path.write_text(text if isinstance(text, str) else yaml.safe_dump(text, sort_keys=False))
        return str(path)
    return to


# Help and usage

def test_version_and_help():
    answer = run("--version")
    assert answer.returncode == 0 and re.search(r"\d+\.\d+", answer.stdout)
    answer = run("--help")
    assert answer.returncode == 0
    for command in ("serve", "check", "token", "explain", "reload", "keys", "schema"):
        assert command in answer.stdout
        assert run(command, "--help").returncode == 0
    for command in (["token", "verify"], ["token", "get"], ["keys", "list"], ["keys", "generate"], ["keys", "rotate"]):
        answer = run(*command, "--help")
        assert answer.returncode == 0 and "USAGE" in answer.stdout


@pytest.mark.parametrize("arguments", [
    ["nonsense"], ["serve", "--nonsense"], ["check"], ["check", "a", "b", "c"], ["token", "verify"],
    ["token", "nonsense"], ["token", "get"], ["explain"], ["keys", "nonsense"], ["token", "verify", "--at", "soon", "x"],
    ["token", "get", "--issuer", "https://i", "--client-id", "c", "--client-secret", "on-the-command-line"],
])
def test_usage_errors_exit_2(arguments):
    answer = run(*arguments)
    assert answer.returncode == 2, answer
    assert answer.stderr


# check

def test_a_good_file_passes(write):
    answer = run("check", write(GOOD))
    assert answer.returncode == 0 and "error" not in answer.stdout


def test_a_missing_file_is_an_error(tmp_path):
    answer = run("check", str(tmp_path / "none.yaml"))
    assert answer.returncode == 1


WRONG = {
    "an unknown field": ("services:\n- name: api\n  ulr: http://a\n", 3, 3, "url"),
    "an unknown section": ("servcies: []\n", 1, 1, "services"),
    "a wrong type": ("services:\n- name: api\n  url: http://a\n  port: many\n", 4, 9, None),
    "an unknown plugin": ("plugins:\n- name: key-auht\n", 2, 9, "key-auth"),
    "an unknown plugin field": (
        "plugins:\n- name: key-auth\n  config:\n    key_nmaes: [a]\n", 4, 5, "key_names"),
    "a route to no service": ("routes:\n- name: a\n  service: nobody\n  paths: [/]\n", 3, 12, None),
    "a value out of its list": (
        "plugins:\n- name: openid-connect\n  config:\n    issuer: https://i.test\n    client_id: [a]\n"
        "    client_auth: [telepathy]\n", 6, 19, None),
    "a bad regular expression": (
        "services:\n- name: api\n  url: http://a\n  routes:\n  - name: r\n    paths: ['~/(']\n", 5, 5, "ill-formed"),
    "a name twice": ("services:\n- name: a\n  url: http://a\n- name: a\n  url: http://b\n", 4, 9, None),
    "signatures switched off": (
        "plugins:\n- name: openid-connect\n  config:\n    issuer: https://i.test\n    client_id: [a]\n"
        "    verify_signature: false\n", 6, 23, None),
    "tokens in a URL": (
        "plugins:\n- name: openid-connect\n  config:\n    issuer: https://i.test\n    client_id: [a]\n"
        "    login_action: redirect\n    login_tokens: [id_token]\n", 7, None, None),
    "a template for a tenant": (
        "plugins:\n- name: openid-connect\n  config:\n    issuer: https://login.test/{tenantid}/v2.0\n"
        "    client_id: [a]\n", 4, 13, None),
    "a field of Kong's that is not served yet": (
        "services:\n- name: api\n  url: http://a\n  tls_sans: {dnsnames: [a]}\n", 4, 3, None),
    "an issuer without TLS": (
        "plugins:\n- name: openid-connect\n  config:\n    issuer: http://issuer.test\n    client_id: [a]\n",
        4, None, "https"),
    "an empty list of who may pass": (
        "plugins:\n- name: acl\n  config:\n    allow: []\n", 4, 12, None),
    "a file of keys that is not there": (
        "plugins:\n- name: openid-connect\n  config:\n    issuer: https://i.test\n    using_pseudo_issuer: true\n"
        "    jwks_endpoint: file:///nowhere.json\n    audience_required: [a]\n    auth_methods: [bearer]\n",
        None, None, None),
    "not YAML": ("services: [\n", None, None, None),
    "an unquoted reference": ('consumers:\n- username: {vault://env/NAME}\n', None, None, None),
    "no audience": (
        "plugins:\n- name: openid-connect\n  config:\n    issuer: https://i.test\n    auth_methods: [bearer]\n",
        None, None, "audience_required"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_error_names_its_place(write, name):
    """P8: `FILE:LINE:COLUMN: error: …`, what was expected, and a near name."""
    text, line, column, near = WRONG[name]
    file = write('_format_version: "3.0"\n' + text)
    answer = run("check", file)
    assert answer.returncode == 1, answer.stdout
    found = re.findall(rf"^{re.escape(file)}:(\d+):(\d+): error: (.+)$", answer.stdout, re.MULTILINE)
    assert found, answer.stdout
    if line:
        assert line + 1 in [int(at) for at, _, _ in found], found
    if column:
        assert (line + 1, column) in [(int(at), int(col)) for at, col, _ in found], found
    if near:
        assert near in answer.stdout


def test_the_password_grant_is_warned_of(write):
    """A13."""
    answer = run("check", write({**GOOD, "plugins": [plugin(
        "openid-connect", issuer="https://issuer.test", client_id=["a"], client_secret=["b"],
        auth_methods=["password"])]}))
    assert answer.returncode == 0 and re.search(r": warning: .*password", answer.stdout)


def test_all_errors_are_told_at_once(write):
    file = write('_format_version: "3.0"\nservices:\n- name: a\n  ulr: x\n- name: b\n  prot: 1\n')
    answer = run("check", file)
    assert {2 + 2, 4 + 2} <= {int(line) for line in re.findall(r":(\d+):\d+: error", answer.stdout)}


def test_references_are_resolved(write):
    """`{vault://env/NAME}` and `${{ env "DECK_NAME" }}` in scalars; one that leads nowhere is an error (P8)."""
    file = write({**GOOD, "consumers": [
        {"username": '${{ env "DECK_USER" }}', "keyauth_credentials": [{"key": "{vault://env/ann-key}"}]}]})
    assert run("check", file, environment={"DECK_USER": "ann", "ANN_KEY": "a-key-from-outside"}).returncode == 0
    answer = run("check", file, environment={"DECK_USER": "ann"})
    assert answer.returncode == 1 and "error" in answer.stdout and "a-key-from-outside" not in answer.stdout


def test_the_files_own_tests_are_run(write):
    def with_test(**test) -> dict:
        return {**GOOD, "tests": [{"request": "GET https://host.test/api", **test}]}

    assert run("check", write(with_test(expect=200))).returncode == 0
    answer = run("check", write(with_test(expect=403)))
    assert answer.returncode == 1 and "error" in answer.stdout
    closed = {**GOOD, "plugins": [{"name": "key-auth"}], "tests": [
        {"request": "GET https://host.test/api", "expect": 401},
        {"request": "GET https://host.test/elsewhere", "expect": 404}]}
    assert run("check", write(closed)).returncode == 0


def test_strict_looks_at_posture(write):
    loose = {**GOOD, "plugins": [plugin(
        "openid-connect", issuer="https://issuer.test", client_id=["a"], client_secret=["b"], ssl_verify=False)]}
    answer = run("check", write(loose))
    assert answer.returncode == 0 and ": warning: " in answer.stdout
    answer = run("check", write(loose), "--strict")
    assert answer.returncode == 1 and ": error: " in answer.stdout


# token verify

@pytest.fixture(scope="module")
def key() -> Key:
    return Key("k1")


@pytest.fixture
def keys(key, tmp_path) -> str:
    path = tmp_path / "jwks.json"
    path.write_bytes(compact({"keys": [key.jwk()]}))
    return str(path)


def claims(**changes) -> dict:
    members = {"iss": "https://issuer.test", "sub": "alice", "aud": "api", "exp": 2000, "iat": 1000, **changes}
    return {name: value for name, value in members.items() if value is not None}


def verify(*arguments: str, **options) -> tuple[int, dict]:
    answer = run("token", "verify", *arguments, **options)
    assert answer.stdout, answer.stderr
    return answer.returncode, json.loads(answer.stdout)


def test_a_valid_token_shows_its_claims(key, keys):
    token = key.sign(claims())
    status, said = verify("--jwks", keys, "--issuer", "https://issuer.test", "--audience", "api", "--at", "1500", token)
    assert status == 0
    assert said == {"valid": True, "claims": claims(), "header": {"alg": "RS256", "typ": "JWT", "kid": "k1"},
                    "unchecked": []}
    status, said = verify("--jwks", keys, "--issuer", "https://issuer.test", "--at", "1500", token)
    assert (status, said["unchecked"]) == (0, ["aud"])


@pytest.mark.parametrize("reason, changes, arguments", [
    ("expired", {}, ["--at", "2000"]),
    ("not-yet-valid", {"nbf": 1600}, ["--at", "1599"]),
    ("issued-in-future", {"iat": 1561}, ["--at", "1500"]),
    ("wrong-issuer", {}, ["--at", "1500", "--issuer", "https://other.test"]),
    ("missing-claim", {"iss": None}, ["--at", "1500", "--issuer", "https://issuer.test"]),
    ("wrong-audience", {}, ["--at", "1500", "--audience", "other"]),
    ("missing-claim", {"exp": None}, ["--at", "1500"]),
    ("malformed-claim", {"exp": "soon"}, ["--at", "1500"]),
    ("wrong-type", {}, ["--at", "1500", "--type", "at+jwt"]),
    ("algorithm-not-allowed", {}, ["--at", "1500", "--algorithms", "ES256"]),
])
def test_an_invalid_token_names_its_rule(key, keys, reason, changes, arguments):
    status, said = verify("--jwks", keys, *arguments, key.sign(claims(**changes)))
    assert (status, said["valid"], said["reason"]) == (1, False, reason)
    assert said["rule"] and said["detail"]


@pytest.mark.parametrize("arguments", [["--at", "1999"], ["--at", "2009", "--leeway", "10"], ["--at", "1999.9"]])
def test_limits_are_exact(key, keys, arguments):
    assert verify("--jwks", keys, *arguments, key.sign(claims()))[0] == 0


def test_a_token_comes_from_stdin_or_a_file(key, keys, tmp_path):
    token = key.sign(claims())
    (tmp_path / "token").write_text(token + "\n")
    assert verify("--jwks", keys, "--at", "1500", "-", input=token + "\n")[0] == 0
    assert verify("--jwks", keys, "--at", "1500", "--token-file", str(tmp_path / "token"))[0] == 0


def test_keys_come_from_a_url():
    with Issuer() as issuer:
        token = issuer.access_token()
        assert verify("--jwks", issuer.url + "/jwks", token)[0] == 0
        status, said = verify("--jwks", issuer.url + "/jwks", tampered(token))
        assert (status, said["reason"]) == (1, "bad-signature")


def test_the_signature_alone(key, keys):
    signed = f"{encode(compact({'alg': 'RS256', 'kid': 'k1'}))}.{encode(b'any bytes')}"
    token = f"{signed}.{encode(key.signature(signed.encode()))}"
    status, said = verify("--jwks", keys, "--signature-only", token)
    assert (status, said["valid"], said["payload"]) == (0, True, encode(b"any bytes"))
    status, said = verify("--jwks", keys, "--signature-only", tampered(token))
    assert (status, said["reason"]) == (1, "bad-signature")


def test_a_batch_answers_line_by_line(key, keys):
    oct_key = {"kty": "oct", "kid": "s", "alg": "HS256", "k": encode(b"0123456789abcdef0123456789abcdef")}
    secret = with_secret(claims(), b"0123456789abcdef0123456789abcdef", "s")
    lines = [
        {"id": 1, "token": key.sign(claims()), "at": 1500},
        {"id": "two", "token": key.sign(claims()), "at": 2500},
        {"id": 3, "token": key.sign(claims()), "at": 1500, "audience": ["other"]},
        {"id": 4, "token": secret, "jwks": {"keys": [oct_key]}, "algorithms": ["HS256"], "at": 1500},
        {"id": 5, "token": secret, "jwks": {"keys": [oct_key]}, "at": 1500},
        {"id": 6, "token": key.sign(claims()), "at": 2500, "leeway": 600},
        {"id": 7, "token": key.sign(claims()), "at": 1500, "type": "at+jwt"},
        {"id": 8, "token": key.sign(claims()), "signature_only": True},
    ]
    text = "\n".join([*map(json.dumps, lines[:2]), "this is not JSON", *map(json.dumps, lines[2:])]) + "\n"
    answer = run("token", "verify", "--batch", "--jwks", keys, input=text)
    assert answer.returncode == 0
    said = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [(line["id"], line["valid"], line.get("reason")) for line in said] == [
        (1, True, None), ("two", False, "expired"), (None, False, "malformed"), (3, False, "wrong-audience"),
        (4, True, None), (5, False, "algorithm-not-allowed"), (6, True, None), (7, False, "wrong-type"),
        (8, True, None)]
    assert said[-1]["payload"]


def test_a_batch_takes_many_lines(key, keys):
    """All cores work on them; each answer is its line's, in order."""
    token = key.sign(claims())
    text = "".join(
        json.dumps({"id": number, "token": token, "at": 2500 if number % 3 == 0 else 1500}) + "\n" for number in range(5000))
    answer = run("token", "verify", "--batch", "--jwks", keys, input=text)
    said = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [(line["id"], line["valid"]) for line in said] == [(number, number % 3 != 0) for number in range(5000)]


# token get

def test_a_token_is_got_from_an_issuer(tmp_path):
    with Issuer() as issuer:
        secret = tmp_path / "secret"
        secret.write_text(issuer.service_secret + "\n")
        common = ["token", "get", "--issuer", issuer.url, "--client-id", "service"]
        for how, more in [(["--client-secret-file", str(secret)], {}),
                          (["--client-secret-env", "THE_SECRET"], {"environment": {"THE_SECRET": issuer.service_secret}}),
                          (["--client-secret-file", "-"], {"input": issuer.service_secret + "\n"}),
                          (["--client-secret-file", str(secret), "--auth", "post"], {})]:
            answer = run(*common, *how, "--grant", "client_credentials", "--scope", "api", **more)
            assert answer.returncode == 0, answer.stderr
            tokens = json.loads(answer.stdout)
            assert claims_of(tokens["access_token"])["sub"] == "service"
        by = [("client_secret" in asked.form) for asked in issuer.asked if asked.path == "/token"]
        assert by == [False, False, False, True]


def test_a_token_is_got_for_a_person(tmp_path):
    with Issuer() as issuer:
        password = tmp_path / "password"
        password.write_text(issuer.passwords["alice"] + "\n")
        common = ["token", "get", "--issuer", issuer.url, "--client-id", "app", "--client-secret-env", "THE_SECRET",
                  "--grant", "password", "--username", "alice", "--scope", "openid"]
        answer = run(*common, "--password-file", str(password), environment={"THE_SECRET": issuer.client_secret})
        assert answer.returncode == 0 and json.loads(answer.stdout)["id_token"]
        answer = run(*common, "--password-file", "-", input="wrong", environment={"THE_SECRET": issuer.client_secret})
        assert answer.returncode == 1 and issuer.client_secret not in answer.stdout + answer.stderr


def test_an_issuer_that_is_not_there_is_a_failure(tmp_path):
    answer = run("token", "get", "--issuer", "http://127.0.0.1:1", "--client-id", "a", "--client-secret-env", "X",
                 environment={"X": "secret-of-a-client"})
    assert answer.returncode == 1 and answer.stderr and "secret-of-a-client" not in answer.stderr


# explain

def explain(file: str, request: str, *arguments: str) -> tuple[int, dict]:
    answer = run("explain", "--config", file, "--request", request, *arguments)
    assert answer.stdout, answer.stderr
    return answer.returncode, json.loads(answer.stdout)


def test_explain_tells_route_plugins_and_verdict(write, tmp_path):
    key = ledger.keep("an-explained-api-key", "API key")
    file = write({"_format_version": "3.0", "services": [service(
        "http://127.0.0.1:9", route("known", "/known", plugins=[plugin("key-auth"), plugin("acl", allow=["a"])]),
        route("open", "/open"))],
        "consumers": [{"username": "ann", "keyauth_credentials": [{"key": key}], "acls": [{"group": "a"}]}]})
    status, said = explain(file, "GET https://host.test/open")
    assert status == 0 and "open" in str(said)
    status, said = explain(file, "GET https://host.test/known")
    assert status == 1 and "key-auth" in str(said)
    status, said = explain(file, "GET https://host.test/known", "--header", f"apikey: {key}")
    assert status == 0 and "acl" in str(said)
    status, said = explain(file, "GET https://host.test/nowhere")
    assert status == 1


def test_explain_tells_a_refused_request_from_words_that_are_none(write):
    file = write(GOOD)
    status, said = explain(file, "GET https://host.test/%00")
    assert status == 1 and said["verdict"] == "refuses" and said["status"] == 400
    answer = run("explain", "--config", file, "--request", "nonsense")
    assert answer.returncode == 2 and answer.stderr and not answer.stdout


def test_explain_judges_claims(write, tmp_path):
    file = write({"_format_version": "3.0", "services": [service(
        "http://127.0.0.1:9", route("api", "/", plugins=[plugin(
            "openid-connect", issuer="https://issuer.test", client_id=["app"], client_secret=["x"],
            groups_required=["admins"])]))]})
    for groups, status in [(["admins"], 0), (["users"], 1)]:
        path = write(json.dumps({"iss": "https://issuer.test", "sub": "a", "groups": groups}), "claims.json")
        assert explain(file, "GET https://host.test/", "--claims", path)[0] == status


# keys, schema, reload

def test_keys_are_made_listed_and_rotated(tmp_path):
    folder = tmp_path / "keys"
    assert run("keys", "generate", "--dir", str(folder)).returncode == 0
    first = run("keys", "list", "--dir", str(folder))
    assert first.returncode == 0 and first.stdout.strip()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files and all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)
    assert run("keys", "rotate", "--dir", str(folder)).returncode == 0
    second = run("keys", "list", "--dir", str(folder))
    assert len(second.stdout.splitlines()) > len(first.stdout.splitlines()) or second.stdout != first.stdout
    for path in folder.rglob("*"):
        if path.is_file():
            assert path.read_text(errors="replace").strip() not in second.stdout


def test_a_rotated_key_still_opens_old_sessions(start, upstream, issuer, light):
    gatehouse = start({"services": [service(upstream.url, route("app", "/", plugins=[openid_connect(issuer)]))]})
    browser = light()
    browser.follow(gatehouse.url)
    assert run("keys", "rotate", "--dir", gatehouse.environment["GATEHOUSE_KEYS_DIR"]).returncode == 0
    gatehouse.stop()
    gatehouse.start()
    assert browser.open(gatehouse.url).status_code == 200
    assert light().follow(gatehouse.url).status_code == 200


def test_keys_of_the_program_are_made_on_its_first_start(start, upstream):
    gatehouse = start({"services": [service(upstream.url, route("api", "/"))]})
    folder = gatehouse.folder / "keys"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path for path in folder.rglob("*") if path.is_file()]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.rglob("*") if path.is_file())
    assert stat.S_IMODE((gatehouse.folder / "data").stat().st_mode) == 0o700


def test_the_schema_is_a_json_schema():
    answer = run("schema")
    assert answer.returncode == 0
    schema = json.loads(answer.stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")
    for name in ("services", "routes", "plugins", "consumers"):
        assert name in schema["properties"]


def test_reload_says_what_became_of_it(start, upstream):
    gatehouse = start({"services": [service(upstream.url, route("one", "/one"))]})
    environment = {"GATEHOUSE_DATA_DIR": gatehouse.environment["GATEHOUSE_DATA_DIR"]}
    sockets = [path for path in (gatehouse.folder / "data").rglob("*") if stat.S_ISSOCK(path.stat().st_mode)]
    assert sockets and all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in sockets)
    gatehouse.write({"services": [service(upstream.url, route("two", "/two"))]})
    answer = run("reload", environment=environment)
    assert answer.returncode == 0, answer
    assert httpx.get(gatehouse.url + "/two").status_code == 200
    assert httpx.get(gatehouse.url + "/one").status_code == 404
    gatehouse.write("_format_version: '3.0'\nservcies: []\n")
    answer = run("reload", environment=environment)
    assert answer.returncode == 1 and "servcies" in answer.stdout + answer.stderr
    assert httpx.get(gatehouse.url + "/two").status_code == 200
    gatehouse.stop()
    assert run("reload", environment=environment).returncode == 1


def test_reload_waits_no_longer_than_it_is_told(tmp_path):
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "gatehouse.sock"))
        silent.listen()
        answer = run("reload", "--timeout", "0.5", environment={"GATEHOUSE_DATA_DIR": str(tmp_path)})
        assert answer.returncode == 1 and "did not answer within 0.5 s" in answer.stderr, answer
    assert run("reload", "--timeout", "0", environment={"GATEHOUSE_DATA_DIR": str(tmp_path)}).returncode == 2


# serve

def test_serve_says_why_it_cannot_start(write, tmp_path):
    environment = {
        "GATEHOUSE_DATA_DIR": str(tmp_path / "data"), "GATEHOUSE_KEYS_DIR": str(tmp_path / "keys"),
        "GATEHOUSE_STATUS_LISTEN": "off", "GATEHOUSE_ADMIN_LISTEN": "off", "GATEHOUSE_PROXY_LISTEN": "127.0.0.1:1"}
    for arguments, changes in [
            (["--config", str(tmp_path / "none.yaml")], {}),
            (["--config", write('_format_version: "3.0"\nservcies: []\n', "bad.yaml")], {}),
            (["--config", write(GOOD), "--settings", write("nonsense: 1\n", "settings.yaml")], {}),
            (["--config", write(GOOD)], {"GATEHOUSE_PROXY_LISTEN": "203.0.113.1:8000"}),
            (["--config", write(GOOD)], {"GATEHOUSE_WORKERS": "many"}),
            (["--config", write(GOOD)], {"GATEHOUSE_TRUSTED_IPS": "somewhere"})]:
        answer = run("serve", *arguments, environment={**environment, **changes}, folder=tmp_path)
        assert answer.returncode in (1, 2), (arguments, answer)
        assert answer.stderr.strip(), arguments


def test_a_flag_beats_the_environment_and_that_a_file(write, tmp_path, start, upstream):
    settings = write("access_log: off\nlog_level: error\nproxy_listen: 127.0.0.1:1\n", "settings.yaml")
    gatehouse = start({"services": [service(upstream.url, route("api", "/"))]}, GATEHOUSE_SETTINGS=settings,
                      GATEHOUSE_LOG_LEVEL="info", GATEHOUSE_SURPRISE="1")
    assert httpx.get(gatehouse.url).status_code == 200
    assert not any(line.get("status") == 200 for line in gatehouse.whole_lines())
    assert gatehouse.wait_for_line(lambda line: "GATEHOUSE_SURPRISE" in str(line))
