"""Gateways that no registry of ours has, played by what their pages in docs/gateways configure.

Each says which requests the program documents that it sends, and what it does with the answer. What can be real is: nginx
for ingress-nginx, Envoy for Istio, Lua for Kong's function.
"""
import dataclasses
import pathlib
import re
import urllib.parse

import lupa.luajit21
import yaml

from support.gatehouse import ROOT, Gatehouse
from support.gateways import Envoy, Nginx, send

PAGES = ROOT / "docs/gateways"


def blocks(page: str) -> list:
    """Every document of every YAML block of a page; one that cannot be read is the page's fault."""
    found = re.findall(r"^```yaml\n(.*?)^```$", (PAGES / f"{page}.md").read_text(), re.M | re.S)
    assert found, page
    return [document for block in found for document in yaml.safe_load_all(block.replace("#END\n", ""))]


@dataclasses.dataclass
class Said:
    """What the client got."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def first(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


class Page:
    """A gateway as its page has it; `ask` is one request of a client to `localhost`."""

    name = ""
    # Where the page has Gatehouse and its application.
    gatehouse_at, application_at = "127.0.0.1:8000", "127.0.0.1:9001"

    def __init__(self, gatehouse: Gatehouse, upstream: int, folder: pathlib.Path):
        self.gatehouse, self.upstream, self.folder = gatehouse, upstream, folder

    def start(self):
        return self

    def stop(self):
        pass

    def ask(self, method: str, target: str, fields: list[tuple[str, str]] = ()) -> Said:
        raise NotImplementedError

    def told(self, answer, body: bytes) -> Said:
        return Said(answer.status, list(answer.headers.items()), body)

    def forward(self, port: int, method: str, target: str, fields: list[tuple[str, str]]) -> Said:
        return self.told(*send(port, method, target, [("Host", "localhost"), *fields], b""))


class Real(Page):
    """A real program, with a file that says what the page does."""

    kind: type = Nginx
    ending = "conf"

    def start(self):
        page = self

        class Program(self.kind):
            name, file = self.name, f"{self.name}.{self.ending}"

            def text(self) -> str:
                return page.text(self)

        self.program = Program(self.folder / self.name, self.gatehouse, self.upstream).start()
        return self

    def stop(self):
        self.program.stop()

    def text(self, program) -> str:
        raise NotImplementedError

    def ask(self, method, target, fields=()):
        return self.forward(self.program.port, method, target, list(fields))


class IngressNginx(Real):
    """The locations that the controller's template makes of these annotations (kubernetes/ingress-nginx,
    rootfs/etc/nginx/template/nginx.tmpl and docs/user-guide/nginx-configuration/annotations.md, "External Authentication").
    """

    name, kind = "ingress-nginx", Nginx
    gatehouse_at = "gatehouse.auth.svc.cluster.local:8000"

    def text(self, program) -> str:
        shop, login = blocks(self.name)
        notes = {name.rpartition("/")[2]: text for name, text in shop["metadata"]["annotations"].items()}
        assert notes["auth-url"].startswith(f"http://{self.gatehouse_at}/")
        assert notes["auth-signin-redirect-param"] == "rd" and "rd=" in notes["auth-signin"]
        copied = "".join(
            f"auth_request_set $authHeader{number} $upstream_http_{name.lower().replace('-', '_')};\n"
            f"proxy_set_header '{name}' $authHeader{number};\n"
            for number, name in enumerate(re.split(r",\s*", notes["auth-response-headers"])))
        own = ""
        for path in login["spec"]["rules"][0]["http"]["paths"]:
            assert path["pathType"] == "Exact" and path["backend"]["service"]["port"]["number"] == 8000
            own += (f"location = {path['path']} {{ proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;"
                    f" proxy_set_header X-Forwarded-For $remote_addr; proxy_pass http://127.0.0.1:{self.gatehouse.port}; }}\n")
        url = notes["auth-url"].replace(self.gatehouse_at, f"127.0.0.1:{self.gatehouse.port}")
        signin = notes["auth-signin"].replace("https://$host", "http://$http_host")
        return program.around.format(folder=program.folder) + f"""
server {{
  listen 127.0.0.1:{program.port};
  location = /_external-auth {{
    internal;
    proxy_pass_request_body off;
    proxy_set_header Content-Length "";
    proxy_set_header X-Forwarded-Proto "";
    proxy_set_header X-Request-ID $request_id;
    proxy_set_header Host {self.gatehouse_at.partition(":")[0]};
    proxy_set_header X-Original-URL $scheme://$http_host$request_uri;
    proxy_set_header X-Original-Method $request_method;
    proxy_set_header X-Sent-From "nginx-ingress-controller";
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Auth-Request-Redirect $request_uri;
    proxy_buffer_size {notes["proxy-buffer-size"]};
    proxy_buffers 4 {notes["proxy-buffer-size"]};
    proxy_http_version 1.1;
    {notes["auth-snippet"]}
    proxy_pass {url};
  }}
  location @signin {{
    set $escaped_request_uri $request_uri;
    return 302 {signin};
  }}
  {own}
  location / {{
    auth_request /_external-auth;
    auth_request_set $auth_cookie $upstream_http_set_cookie;
    add_header Set-Cookie $auth_cookie;
    {copied}
    error_page 401 = @signin;
    proxy_set_header Host $http_host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Original-Forwarded-For $http_x_forwarded_for;
    proxy_set_header Proxy "";
    proxy_pass http://127.0.0.1:{self.upstream};
  }}
}}
}}
"""


class Istio(Real):
    """The filter that Istio makes of a provider (istio/istio, pilot/pkg/security/authz/builder/extauthz.go: names are exact, or
    begin or end with what `*` leaves), in a real Envoy whose routes are the VirtualService's; Istio drops no underscores.
    """

    name, kind, ending = "istio", Envoy, "yaml"
    gatehouse_at = "gatehouse.auth.svc.cluster.local:8000"
    provider = 0

    def pieces(self):
        documents = blocks(self.name)
        providers = [one["extensionProviders"][0] for one in documents if "extensionProviders" in one]
        policy = next(one for one in documents if one.get("kind") == "AuthorizationPolicy")
        service = next(one for one in documents if one.get("kind") == "VirtualService")
        assert {one["name"] for one in providers} == {policy["spec"]["provider"]["name"]} and policy["spec"]["action"] == "CUSTOM"
        return providers, policy["spec"]["rules"][0]["to"][0]["operation"], service["spec"]["http"]

    @staticmethod
    def names(names: list[str]) -> dict:
        def pattern(name: str) -> dict:
            if name.startswith("*"):
                return {"suffix": name[1:]}
            return {"prefix": name[:-1]} if name.endswith("*") else {"exact": name}

        return {"patterns": [{**pattern(name), "ignore_case": True} for name in names]}

    def filter(self, provider: dict) -> dict:
        terms = provider["envoyExtAuthzHttp"]
        assert f"{terms['service']}:{terms['port']}" == self.gatehouse_at
        return {
            "failure_mode_allow": terms["failOpen"], "status_on_error": {"code": int(terms["statusOnError"])},
            "allowed_headers": self.names(terms["includeRequestHeadersInCheck"]),
            "http_service": {
                "server_uri": {"uri": f"http://{terms['service']}", "cluster": "gatehouse", "timeout": terms["timeout"]},
                "path_prefix": terms["pathPrefix"],
                "authorization_response": {
                    "allowed_upstream_headers": self.names(terms["headersToUpstreamOnAllow"]),
                    "allowed_client_headers": self.names(terms["headersToDownstreamOnDeny"]),
                    "allowed_client_headers_on_success": self.names(terms["headersToDownstreamOnAllow"])}}}

    def text(self, program) -> str:
        providers, operation, routes = self.pieces()
        example = yaml.safe_load(super(type(program), program).text())
        manager = example["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        # DECODE_AND_MERGE_SLASHES, as the page has it.
        manager.update(path_with_escaped_slashes_action="UNESCAPE_AND_FORWARD", common_http_protocol_options={})
        del manager["route_config"]["request_headers_to_remove"]
        asks = manager["http_filters"][0]["typed_config"]
        manager["http_filters"][0]["typed_config"] = {"@type": asks["@type"], **self.filter(providers[self.provider])}
        assert operation["notPaths"] == ["/oauth2/*"]
        unasked = {"typed_per_filter_config": {"envoy.filters.http.ext_authz": {
            "@type": asks["@type"] + "PerRoute", "disabled": True}}}
        made = []
        for one in routes:
            target = ({"direct_response": one["directResponse"]} if "directResponse" in one else {"route": {"cluster": (
                "gatehouse" if one["route"][0]["destination"]["host"].startswith("gatehouse.") else "application")}})
            for match in one.get("match", [{"uri": {"prefix": "/"}}]):
                own = unasked if match["uri"]["prefix"].startswith("/oauth2/") else {}
                made.append({"match": match["uri"], **target, **own})
        manager["route_config"]["virtual_hosts"][0]["routes"] = made
        return yaml.safe_dump(example)


class IstioGRPC(Istio):
    """The page's other provider."""

    name, provider = "istio-grpc", 1

    def pieces(self):
        self.name = "istio"
        return super().pieces()

    def filter(self, provider: dict) -> dict:
        terms = provider["envoyExtAuthzGrpc"]
        assert f"EXT_AUTHZ_LISTEN=0.0.0.0:{terms['port']}" in (PAGES / "istio.md").read_text()
        return {"failure_mode_allow": terms["failOpen"], "status_on_error": {"code": int(terms["statusOnError"])},
                "transport_api_version": "V3",
                "grpc_service": {"envoy_grpc": {"cluster_name": "calls"}, "timeout": terms["timeout"]}}

    def text(self, program) -> str:
        example = yaml.safe_load(super().text(program))
        clusters = example["static_resources"]["clusters"]
        calls = yaml.safe_load(yaml.safe_dump(clusters[0]).replace("gatehouse", "calls").replace(
            str(self.gatehouse.port), str(self.gatehouse.calls_port)))
        calls["typed_extension_protocol_options"] = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}}}}
        clusters.append(calls)
        return yaml.safe_dump(example)


class APISIX(Page):
    """`forward-auth` as its page documents it (apisix.apache.org, docs/apisix/plugins/forward-auth) and its source has it
    (apache/apisix, apisix/plugins/forward-auth.lua, apisix/init.lua): `X-Forwarded-Uri` is the path decoded and without dots, the
    host comes without its port, a status below 300 lets pass, each of `upstream_headers` replaces the client's or takes it off;
    what is forwarded is the target as the client wrote it.
    """

    name = "apisix"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        (document,) = blocks(self.name)
        self.login, self.shop = document["routes"]
        for one, place in ((self.login, self.gatehouse_at), (self.shop, self.application_at)):
            assert list(one["upstream"]["nodes"]) == [place] and one["upstream"]["pass_host"] == "pass"
        self.terms = self.shop["plugins"]["forward-auth"]
        assert self.terms["uri"].startswith(f"http://{self.gatehouse_at}/") and not self.terms["allow_degradation"]

    @staticmethod
    def normalized(path: str) -> str:
        """nginx's `$uri`: octets decoded, slashes merged, dot segments gone."""
        kept: list[str] = []
        segments = re.sub("/+", "/", urllib.parse.unquote(path, "latin-1")).split("/")
        for segment in segments[1:]:
            if segment == "..":
                kept = kept[:-1]
            elif segment != ".":
                kept.append(segment)
        return "/" + "/".join(kept)

    def ask(self, method, target, fields=()):
        fields = list(fields)
        path, mark, query = target.partition("?")
        uri = self.normalized(path)
        if uri in self.login["uris"]:
            told = [("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Proto", "http"), ("X-Forwarded-Host", "localhost")]
            kept = [field for field in fields if not field[0].lower().startswith("x-forwarded-")]
            return self.forward(self.gatehouse.port, method, target, kept + told)
        variables = {"$real_request_uri": target, "$request_uri": uri + mark + query}
        question = {"X-Forwarded-Proto": "http", "X-Forwarded-Method": method, "X-Forwarded-Host": "localhost",
                    "X-Forwarded-Uri": uri + mark + query, "X-Forwarded-For": "127.0.0.1"}
        for name, value in self.terms.get("extra_headers", {}).items():
            question[name] = variables[value]
        given = {}
        for name, value in fields:
            given.setdefault(name.lower(), value)
        for name in self.terms["request_headers"]:
            if name not in question and name.lower() in given:
                question[name] = given[name.lower()]
        address = self.terms["uri"].partition(self.gatehouse_at)[2]
        answer, body = send(self.gatehouse.port, self.terms["request_method"], address, list(question.items()), b"")
        verdict = self.told(answer, body)
        if verdict.status >= 300:
            kept = [(name, value) for name in self.terms["client_headers"] for value in verdict.all(name)]
            return Said(verdict.status, kept, body)
        names = {name.lower() for name in self.terms["upstream_headers"]}
        # proxy-rewrite comes after forward-auth.
        names |= {name.lower() for name in self.shop["plugins"].get("proxy-rewrite", {"headers": {"remove": []}})["headers"]["remove"]}
        onward = [field for field in fields if field[0].lower() not in names]
        onward += [(name, verdict.first(name)) for name in self.terms["upstream_headers"] if verdict.first(name) is not None]
        return self.forward(self.upstream, method, target, onward)


class Kong(Page):
    """The page's own Lua, run by LuaJIT with stand-ins for what Kong's PDK documents (developer.konghq.com, kong.request,
    kong.service.request, kong.response: `add_header` takes one text, `exit` lists too) and lua-resty-http (names of fields in any
    case, several of one name as a list). `pre-function` runs before the request is forwarded with the target as it came.
    """

    name = "kong"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        (document,) = blocks(self.name)
        gatehouse, shop = document["services"]
        assert (gatehouse["url"], shop["url"]) == (f"http://{self.gatehouse_at}", f"http://{self.application_at}")
        self.own = [re.compile(path[1:]) for path in gatehouse["routes"][0]["paths"]]
        config = shop["plugins"][0]["config"]
        (self.access,), (self.header_filter,) = config["access"], config["header_filter"]

    STAGE = """
    local function folded(values)
      local byname = {}
      for name, value in pairs(values) do byname[name:lower()] = value end
      return setmetatable({}, {
        __index = function(_, name) return byname[name:lower()] end,
        __newindex = function(_, name, value) byname[name:lower()] = value end,
      }), byname
    end
    local function text(name, value)
      if type(value) == "table" then error("invalid header value for " .. name .. ": got table") end
      return tostring(value)
    end
    return function(request, ask, set, clear, add)
      local left
      kong = {
        request = {
          get_headers = function() return request.fields end, get_method = function() return request.method end,
          get_forwarded_host = function() return "localhost" end, get_forwarded_scheme = function() return "http" end,
        },
        client = { get_forwarded_ip = function() return "127.0.0.1" end },
        ctx = { plugin = {} },
        service = { request = {
          set_header = function(name, value) set(name, text(name, value)) end,
          clear_header = clear,
        } },
        response = {
          exit = function(status, body, fields) left = { status = status, body = body, fields = fields } end,
          add_header = function(name, value) add(name, text(name, value)) end,
        },
      }
      ngx = { var = { request_uri = request.target } }
      local client = {
        set_timeouts = function() end,
        request_uri = function(_, address, terms)
          local answer = ask(address, terms.headers)
          local shown, byname = folded(answer.fields)
          answer.byname = byname
          return { status = answer.status, body = answer.body, headers = shown, byname = byname }
        end,
      }
      package.loaded["resty.http"] = { new = function() return client end }
      return function(code) assert(loadstring(code))() return left end
    end
    """

    def ask(self, method, target, fields=()):
        fields = [("X-Kept", "1"), *fields]
        if any(path.match(target.partition("?")[0]) for path in self.own):
            told = [("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Proto", "http"), ("X-Forwarded-Host", "localhost")]
            kept = [field for field in fields if not field[0].lower().startswith("x-forwarded-")]
            return self.forward(self.gatehouse.port, method, target, kept + told)
        lua = lupa.luajit21.LuaRuntime(encoding="latin-1", unpack_returned_tuples=True)
        given: dict[str, list[str]] = {}
        for name, value in [("Host", "localhost"), *fields]:
            given.setdefault(name.lower(), []).append(value)
        onward, cookies = list(fields), []
        asked = []

        def table(values: dict[str, list[str]]):
            return lua.table_from({name: value[0] if len(value) == 1 else lua.table_from(value) for name, value in values.items()})

        def ask(address: str, headers):
            assert address.startswith(f"http://{self.gatehouse_at}/")
            question = []
            for name, value in headers.items():
                question += [(name, one) for one in ([value] if isinstance(value, str) else value.values())]
            answer, body = send(self.gatehouse.port, "GET", address.partition(self.gatehouse_at)[2], question, b"")
            asked.append(self.told(answer, body))
            values: dict[str, list[str]] = {}
            for name, value in answer.headers.items():
                values.setdefault(name, []).append(value)
            return lua.table_from({"status": answer.status, "body": body.decode("latin-1"), "fields": table(values)})

        def clear(name: str):
            onward[:] = [field for field in onward if field[0].lower() != name.lower()]

        def put(name: str, value: str):
            clear(name)
            onward.append((name, value))

        request = lua.table_from({"method": method, "target": target, "fields": table(given)})
        run = lua.execute(self.STAGE)(request, ask, put, clear, lambda name, value: cookies.append((name, value)))
        left = run(self.access)
        if left is not None:
            if not asked:
                return Said(left["status"], [], b"")
            dropped = ("transfer-encoding", "connection", "content-length")
            said = asked[0]
            return Said(left["status"], [field for field in said.fields if field[0].lower() not in dropped], said.body)
        run(self.header_filter)
        answer = self.forward(self.upstream, method, target, onward)
        return Said(answer.status, answer.fields + cookies, answer.body)


ALL: list[type[Page]] = [IngressNginx, Istio, IstioGRPC, APISIX, Kong]
