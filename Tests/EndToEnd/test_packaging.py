"""The examples pass their own check; image, compose file and realm fit together."""
import collections
import json
import os
import re
import subprocess
from urllib.parse import urlsplit

import pytest
import yaml

from support.certificates import Authority
from support.gatehouse import ROOT, run

EXAMPLES = sorted(file for file in (ROOT / "examples").rglob("*.yaml") if "_format_version" in file.read_text())


def references(text: str) -> dict[str, str]:
    """A value for everything that a file takes from the environment."""
    """PEM where a name asks for it: `X_CERT` with its `X_KEY`, and `X_CA`."""
    authority = Authority()
    signed = collections.defaultdict(lambda: authority.sign("example.com"))
    pem = {"CERT": lambda name: signed[name].cert, "KEY": lambda name: signed[name].key, "CA": lambda _: authority.cert}

    def value(variable: str) -> str:
        name, _, kind = variable.rpartition("_")
        is_pem = kind in pem and f"{name}_CERT" in names or kind == "CA"
        return pem[kind](name) if is_pem else f"value-of-{variable}"

    names = [name.upper().replace("-", "_") for name in re.findall(r"\{vault://env/([\w-]+)\}", text)]
    return {name: value(name) for name in names + re.findall(r'env "(DECK_\w+)"', text)}


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: str(file.relative_to(ROOT)))
def test_an_example_passes_its_check(file):
    """The file's own `tests` included."""
    answer = run("check", str(file), environment=references(file.read_text()))
    assert answer.returncode == 0, answer.stdout


def test_an_example_begins_with_what_it_shows():
    assert EXAMPLES
    for file in EXAMPLES:
        assert re.match(r"# \w", file.read_text()), file


def test_the_nginx_example_is_taken_by_nginx(tmp_path):
    """Debian's nginx reads it, and every field that a callout could read is set or cleared in both places."""
    text = (ROOT / "examples/gateways/nginx.conf").read_text()
    names = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Method", "X-Forwarded-Uri",
             "X-Forwarded-Port", "X-Original-Method", "X-Original-URI", "X-Original-URL", "X-Rewrite-URL"]
    blocks = re.findall(r"location (?:= )?/oauth2/(?:auth)? \{\n.*?\n    \}", text, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        assert [name for name in names if f"proxy_set_header {name} " not in block] == []
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}} http {{ access_log off;"
        + text.replace("listen 80;", "listen 127.0.0.1:65000;") + "}")
    answer = subprocess.run(["/usr/sbin/nginx", "-t", "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)],
                            capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


def test_the_images_packages_are_those_of_setup():
    stages = (ROOT / "Dockerfile").read_text().split("\nFROM ")
    for stage, kind in zip(stages[1:], ["build", "run"], strict=True):
        install = re.search(r"--no-install-recommends \\\n(.*?)\n    &&", stage, re.DOTALL)
        inside = [line.strip(" \\") for line in install[1].splitlines()]
        listed = subprocess.run(
            [ROOT / "scripts/setup", "--list", kind], capture_output=True, text=True, check=True).stdout.split()
        assert inside == listed, kind


def test_the_compose_file_is_read_by_debians_compose(tmp_path):
    answer = subprocess.run(
        ["/usr/bin/docker-compose", "--file", "docker-compose.yml", "config"], cwd=ROOT, capture_output=True, text=True,
        check=False, env={**os.environ, "HOME": str(tmp_path)})
    assert answer.returncode == 0, answer.stderr
    services = yaml.safe_load(answer.stdout)["services"]
    assert set(services) == {"keycloak", "api", "gatehouse"}


def test_the_realm_holds_what_the_configuration_uses():
    """Issuer, client, secret, addresses, roles, groups and claims: one spelling in three files."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    realm = json.loads((ROOT / "examples/keycloak/realm.json").read_text())
    configuration = yaml.safe_load((ROOT / "examples/keycloak/gatehouse.yaml").read_text())
    [client] = realm["clients"]
    hostname = compose["keycloak"]["environment"]["KC_HOSTNAME"]
    assert compose["gatehouse"]["environment"]["CLIENT_SECRET"] == client["secret"]
    assert compose["gatehouse"]["network_mode"] == "service:keycloak"
    published = [port.split(":")[1] for port in compose["keycloak"]["ports"]]
    mappers = {mapper["config"].get("claim.name") for mapper in client["protocolMappers"]}
    for service in configuration["services"]:
        address = urlsplit(service["url"])
        assert address.hostname in compose and str(address.port) in compose[address.hostname]["command"]
        for route in service["routes"]:
            config = route["plugins"][0]["config"]
            assert config["issuer"] == f"{hostname}/realms/{realm['realm']}"
            assert config["client_id"] == [client["clientId"]]
            assert config["redirect_uri"] == client["redirectUris"]
            assert urlsplit(config["redirect_uri"][0]).hostname in route["hosts"]
            assert str(urlsplit(config["redirect_uri"][0]).port) in published
            assert config["logout_redirect_uri"] == [client["attributes"]["post.logout.redirect.uris"]]
            assert set(config.get("roles_required", [])) <= {role["name"] for role in realm["roles"]["realm"]}
            assert set(config.get("groups_required", [])) <= {group["name"] for group in realm["groups"]}
            if "groups_required" in config:
                assert "groups" in mappers
    assert "client_credentials" in config["auth_methods"] and client["serviceAccountsEnabled"]
    for user in realm["users"]:
        assert set(user.get("realmRoles", [])) <= {role["name"] for role in realm["roles"]["realm"]}
