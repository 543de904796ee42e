# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every key of the schema does something: it changes the plan or the connection, is refused, is told, or is checked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, Iterator

import pytest
import yaml
from ansible_collections.caravan.kamal.plugins.inventory.deploy import connection
from ansible_collections.caravan.kamal.plugins.module_utils._data import from_data, to_data
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ConfigError
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import flags, route
from ansible_collections.caravan.kamal.plugins.module_utils._shares import RoleShare
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.load import Config, from_mapping
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.schema import SCHEMA_FILE
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.overview import overview
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.planner import plan
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.run import Run

BASE = {"service": "app", "servers": ["h1"]}
ROLE = "hosts/h1/roles/0"
BODY = f"{ROLE}/body"
PROXY = "hosts/h1/proxy/container"
DB = "accessories/db"
PEM = "host: a.example.com, ssl: {{certificate_pem: {}, private_key_pem: {}}}"


@dataclass(frozen=True)
class Effect:
    """What changes between two configurations: in the plan, in the connection variables below `ssh`, in the aliases."""

    place: str
    after: str
    before: str = ""


@dataclass(frozen=True)
class Flag:
    """A word of the command that tells kamal-proxy about the role."""

    word: str
    proxy: str


@dataclass(frozen=True)
class Told:
    """A run goes on without it, and `config` says so."""

    text: str
    named: str


@dataclass(frozen=True)
class Checked:
    """It decides whether a configuration is accepted at all."""

    text: str
    named: str


def database(extra: str, where: str = "host: h9", image: str = "mysql") -> str:
    return f"accessories: {{db: {{image: {image}, {where}{', ' if extra else ''}{extra}}}}}"


def accessory(place: str, extra: str) -> Effect:
    return Effect(f"{DB}/{place}", database(extra), database(""))


def placed(where: str) -> Effect:
    servers = "servers: {web: [{h1: red}], jobs: [{h2: [red, blue]}]}\nenv: {tags: {red: {}, blue: {}}}\n"
    return Effect(f"{DB}/hosts", servers + database("", where), servers + database(""))


def role(place: str, extra: str) -> Effect:
    return Effect(f"{ROLE}/{place}", f"servers: {{web: {{hosts: [h1], {extra}}}}}")


def proxy_run(place: str, extra: str) -> Effect:
    return Effect(f"{PROXY}/{place}", f"proxy: {{run: {{{extra}}}}}")


def mounted(place: str, local: str = "a", remote: str = "/b", extra: str = "mode: '0755'") -> Effect:
    entry = "files: [{{local: {0}, remote: {1}, {2}}}]"
    changed, plain = entry.format(local, remote, extra), entry.format("a", "/b", "mode: '0755'")
    return Effect(f"{DB}/{place}", database(changed), database(plain))


def balancer(place: str, after: str, before: str = "host: h9") -> Effect:
    at = f"balancers/{place}" if place else "balancers"
    return Effect(at, f"loadbalancer: {{{after}}}", f"loadbalancer: {{{before}}}" if before else "")


REGISTRY = "image: acme/app\nregistry: {server: r.example.com, username: me, password: [PASSWORD]}"

KEYS: dict[str, Effect | Flag | Told | Checked] = {
    "root/service": Effect("hosts/h1/roles/0/container", "service: other"),
    "root/image": Effect("hosts/h1/image/repository", "image: acme/app"),
    "root/servers": Effect("order", "servers: [h1, h2]"),
    "root/primary_role": Effect(
        "gate_role", "servers: {web: [h1], jobs: [h1]}\nprimary_role: jobs", "servers: {web: [h1], jobs: [h1]}"
    ),
    "root/allow_empty_roles": Checked(
        "servers: {web: [h1], jobs: []}\nallow_empty_roles: false", "allow_empty_roles: true"
    ),
    "root/labels": Effect(f"{BODY}/Labels", "labels: {team: mail}"),
    "root/volumes": Effect(f"{BODY}/HostConfig", "volumes: [storage:/storage]"),
    "root/env": Effect(f"{BODY}/Env", "env: {A: b}"),
    "root/registry": Effect("registry", REGISTRY),
    "root/builder": Effect("build", "builder: {arch: arm64}"),
    "root/proxy": Effect(f"{ROLE}/proxy", "proxy: {app_port: 3000}"),
    "root/loadbalancer": balancer("", "host: h9", ""),
    "loadbalancer/host": balancer("", "host: h8"),
    "loadbalancer/hosts": balancer("", "hosts: [h8, h9]"),
    "loadbalancer/targets": balancer("h9/routes/0/targets", "host: h9, targets: {h1: 10.0.0.1}"),
    "loadbalancer/proxy": balancer("h9/routes/0/proxy", "host: h9, proxy: {host: a.example.com}"),
    "root/accessories": Effect("accessories", database("")),
    "root/boot": Effect("wait", "boot: {wait: 3}"),
    "root/logging": Effect(f"{BODY}/HostConfig/LogConfig", "logging: {driver: local}"),
    "root/ssh": Effect("ssh", "ssh: {user: app}"),
    "root/sshkit": Effect("dns_retries", "sshkit: {dns_retries: 1}"),
    "root/output": Effect("output/file", "output: {file: {path: log}}"),
    "root/aliases": Effect("aliases/console", "aliases: {console: app exec}"),
    "root/asset_path": Effect(f"{BODY}/HostConfig/Binds", "asset_path: /app/public"),
    "root/error_pages_path": Effect("hosts/h1/error_pages", "error_pages_path: public"),
    "root/hooks_path": Effect("hooks", "hooks_path: my/hooks"),
    "root/hooks_output": Effect(
        "hooks/pre-deploy/output", "hooks_path: my/hooks\nhooks_output: quiet", "hooks_path: my/hooks"
    ),
    "root/secrets_path": Effect("secrets_path", "secrets_path: elsewhere/secrets"),
    "root/require_destination": Checked("require_destination: true", "require_destination"),
    "root/retain_containers": Effect("hosts/h1/retain", "retain_containers: 2"),
    "root/minimum_version": Checked("minimum_version: 3.0.0", "minimum_version"),
    "root/readiness_delay": Effect(f"{ROLE}/readiness_delay", "readiness_delay: 1"),
    "root/deploy_timeout": Effect("routes/web", "deploy_timeout: 99"),
    "root/drain_timeout": Effect("routes/web", "drain_timeout: 98"),
    "root/stop_timeout": Effect(f"{ROLE}/stop_timeout", "stop_timeout: 97"),
    "root/run_directory": Told("run_directory: .other", "run_directory "),
    "accessory/service": accessory("service", "service: mine"),
    "accessory/image": Effect(f"{DB}/body/Image", database("", image="mariadb"), database("")),
    "accessory/registry": accessory("registry", "registry: {server: r.example.com, username: me, password: [P]}"),
    "accessory/host": placed("host: h2"),
    "accessory/hosts": placed("hosts: [h2, h3]"),
    "accessory/role": placed("role: jobs"),
    "accessory/roles": placed("roles: [web, jobs]"),
    "accessory/tag": placed("tag: blue"),
    "accessory/tags": placed("tags: [red]"),
    "accessory/cmd": accessory("body/Cmd", "cmd: run it"),
    "accessory/port": accessory("body/HostConfig", "port: 3306"),
    "accessory/labels": accessory("body/Labels", "labels: {a: b}"),
    "accessory/options": accessory("body/HostConfig", "options: {cpus: 2}"),
    "accessory/env": accessory("secrets", "env: {secret: [A]}"),
    "accessory/files": accessory("files", "files: [a:/b]"),
    "accessory/directories": accessory("directories", "directories: [a:/b]"),
    "accessory/update": accessory("update", "update: start_first"),
    "accessory/backup": accessory("backup", "backup: dump it"),
    "accessory/ready": accessory("ready", "ready: check it"),
    "accessory/ready_timeout": accessory("ready_timeout", "ready_timeout: 5"),
    "accessory/volumes": accessory("body/HostConfig", "volumes: [data:/data]"),
    "accessory/network": accessory("network", "network: other"),
    "accessory/proxy": accessory("route", "proxy: {host: a.example.com}"),
    "boot/limit": Effect("serial", "servers: [h1, h2]\nboot: {limit: 1}", "servers: [h1, h2]"),
    "boot/wait": Effect("wait", "boot: {wait: 3}"),
    "boot/parallel_roles": Effect("hosts/h1/parallel_roles", "boot: {parallel_roles: true}"),
    "builder/arch": Effect("build/arch", "builder: {arch: arm64}"),
    "builder/local": Effect("build/local", "builder: {remote: ssh://b, local: false}", "builder: {remote: ssh://b}"),
    "builder/remote": Effect("build/remote", "builder: {remote: ssh://builder}"),
    "builder/driver": Effect("build/driver", "builder: {driver: docker-container}"),
    "builder/context": Effect("build/context", "builder: {context: .}"),
    "builder/dockerfile": Effect("build/dockerfile", "builder: {dockerfile: Dockerfile.production}"),
    "builder/target": Effect("build/target", "builder: {target: production}"),
    "builder/args": Effect("build/args", "builder: {args: {A: b}}"),
    "builder/secrets": Effect("build/secrets", "builder: {secrets: [A]}"),
    "builder/ssh": Effect("build/ssh", "builder: {ssh: default}"),
    "builder/cache": Effect("build/cache_to", "builder: {cache: {type: gha}}"),
    "builder/cache/type": Effect("build/cache_from", "builder: {cache: {type: registry}}"),
    "builder/cache/options": Effect("build/cache_to", "builder: {cache: {type: gha, options: mode=max}}"),
    "builder/cache/image": Effect("build/cache_from", "builder: {cache: {type: registry, image: a/b}}"),
    "builder/pack": Effect("build/pack", "builder: {pack: {builder: heroku/builder}}"),
    "builder/pack/builder": Effect("build/pack/builder", "builder: {pack: {builder: heroku/builder}}"),
    "builder/pack/buildpacks": Effect("build/pack/buildpacks", "builder: {pack: {builder: a, buildpacks: [b]}}"),
    "builder/provenance": Effect("build/provenance", "builder: {provenance: true}"),
    "builder/sbom": Effect("build/sbom", "builder: {sbom: true}"),
    "env/clear": Effect(f"{BODY}/Env", "env: {clear: {A: b}}"),
    "env/secret": Effect(f"{ROLE}/secrets", "env: {secret: [A]}"),
    "env/tags": Effect(f"{BODY}/Env", "servers: [{h1: red}]\nenv: {tags: {red: {A: b}}}"),
    "logging/driver": Effect(f"{BODY}/HostConfig/LogConfig/Type", "logging: {driver: local}"),
    "logging/options": Effect(f"{BODY}/HostConfig/LogConfig/Config", "logging: {options: {max-file: 3}}"),
    "mount/local": mounted("files/0/local", local="c"),
    "mount/remote": mounted("files/0/path", remote="/c"),
    "mount/mode": mounted("files/0/mode", extra="mode: '0640'"),
    "mount/owner": mounted("files/0/owner", extra="owner: '1:1'"),
    "mount/options": mounted("body/HostConfig", extra="options: ro"),
    "output/otel": Effect("output/otel", "output: {otel: {endpoint: 'http://otel'}}"),
    "output/otel/endpoint": Effect("output/otel", "output: {otel: {endpoint: 'http://otel'}}"),
    "output/file": Effect("output/file", "output: {file: {path: log}}"),
    "output/file/path": Effect("output/file", "output: {file: {path: log}}"),
    "proxy/host": Flag("--host=a.example.com", "host: 'b.example.com, a.example.com'"),
    "proxy/hosts": Flag("--host=a.example.com", "hosts: [a.example.com]"),
    "proxy/app_port": Flag("--target=0123456789ab:3000", "app_port: 3000"),
    "proxy/ssl": Flag("--tls", "ssl: true, host: a.example.com"),
    "proxy/ssl/certificate_pem": Effect(
        f"{ROLE}/certificate/certificate", f"proxy: {{{PEM.format('A', 'B')}}}", f"proxy: {{{PEM.format('C', 'B')}}}"
    ),
    "proxy/ssl/private_key_pem": Effect(
        f"{ROLE}/certificate/private_key", f"proxy: {{{PEM.format('A', 'B')}}}", f"proxy: {{{PEM.format('A', 'C')}}}"
    ),
    "proxy/ssl_redirect": Flag("--tls-redirect=false", "ssl_redirect: false"),
    "proxy/ssl_staging": Flag("--tls-staging", "host: a.example.com, ssl: true, ssl_staging: true"),
    "proxy/ssl_cache_path": Flag("--tls-acme-cache-path=/c", "host: a.example.com, ssl: true, ssl_cache_path: /c"),
    "proxy/canonical_host": Flag("--canonical-host=b.com", "hosts: [a.com, b.com], canonical_host: b.com"),
    "proxy/healthcheck/port": Flag("--health-check-port=81", "healthcheck: {port: 81}"),
    "proxy/healthcheck/host": Flag("--health-check-host=a.com", "healthcheck: {host: a.com}"),
    "proxy/read_targets": Flag("--read-target=192.0.2.21:80", "read_targets: ['192.0.2.21:80']"),
    "proxy/writer_affinity_timeout": Flag("--writer-affinity-timeout=3s", "writer_affinity_timeout: 3"),
    "proxy/read_target_websockets": Flag("--read-target-websockets", "read_target_websockets: true"),
    "proxy/scope_cookie_paths": Flag("--scope-cookie-paths", "scope_cookie_paths: true"),
    "proxy/forward_headers": Flag("--forward-headers=false", "forward_headers: false"),
    "proxy/response_timeout": Flag("--target-timeout=10s", "response_timeout: 10"),
    "proxy/path_prefix": Flag("--path-prefix=/api", "path_prefix: /api"),
    "proxy/path_prefixes": Flag("--path-prefix=/oauth", "path_prefixes: [/api, /oauth/]"),
    "proxy/strip_path_prefix": Flag("--strip-path-prefix=false", "strip_path_prefix: false"),
    "proxy/healthcheck": Flag("--health-check-path=/health", "healthcheck: {path: /health}"),
    "proxy/healthcheck/interval": Flag("--health-check-interval=3s", "healthcheck: {interval: 3}"),
    "proxy/healthcheck/timeout": Flag("--health-check-timeout=3s", "healthcheck: {timeout: 3}"),
    "proxy/healthcheck/path": Flag("--health-check-path=/health", "healthcheck: {path: /health}"),
    "proxy/buffering": Flag("--buffer-requests=false", "buffering: {requests: false}"),
    "proxy/buffering/requests": Flag("--buffer-requests=false", "buffering: {requests: false}"),
    "proxy/buffering/responses": Flag("--buffer-responses=false", "buffering: {responses: false}"),
    "proxy/buffering/max_request_body": Flag("--max-request-body=40", "buffering: {max_request_body: 40}"),
    "proxy/buffering/max_response_body": Flag("--max-response-body=41", "buffering: {max_response_body: 41}"),
    "proxy/buffering/memory": Flag("--buffer-memory=42", "buffering: {memory: 42}"),
    "proxy/logging": Flag("--log-request-header=X-One", "logging: {request_headers: [X-One]}"),
    "proxy/logging/request_headers": Flag("--log-request-header=X-One", "logging: {request_headers: [X-One]}"),
    "proxy/logging/response_headers": Flag("--log-response-header=X-Two", "logging: {response_headers: [X-Two]}"),
    "proxy/run": Effect(PROXY, "proxy: {run: {http_port: 8080}}"),
    "registry/server": Effect("build/repository", "image: acme/app\nregistry: {server: r.example.com}"),
    "registry/username": Effect("registry/username", REGISTRY.replace(": me", ": [WHO]"), REGISTRY),
    "registry/password": Effect("secrets", REGISTRY.replace("PASSWORD", "OTHER"), REGISTRY),
    "role/hosts": Effect("order", "servers: {web: {hosts: [h1, h2]}}"),
    "role/cmd": role("body/Cmd", "cmd: bin/jobs"),
    "role/stop_timeout": role("stop_timeout", "stop_timeout: 60"),
    "role/proxy": role("proxy", "proxy: false"),
    "role/env": role("body/Env", "env: {A: b}"),
    "role/labels": role("body/Labels", "labels: {a: b}"),
    "role/logging": role("body/HostConfig/LogConfig", "logging: {driver: journald}"),
    "role/options": role("body/HostConfig", "options: {memory: 2g}"),
    "role/asset_path": role("assets", "asset_path: /a"),
    "run/http_port": proxy_run("HostConfig/PortBindings", "http_port: 8080"),
    "run/https_port": proxy_run("HostConfig/PortBindings", "https_port: 8443"),
    "run/publish": proxy_run("HostConfig", "publish: false"),
    "run/bind_ips": proxy_run("HostConfig/PortBindings", "bind_ips: [192.0.2.1]"),
    "run/log_max_size": proxy_run("HostConfig/LogConfig", "log_max_size: 20m"),
    "run/metrics_port": proxy_run("Cmd", "metrics_port: 9090"),
    "run/debug": proxy_run("Cmd", "debug: true"),
    "run/registry": proxy_run("Image", "registry: r.example.com"),
    "run/repository": proxy_run("Image", "repository: acme/kamal-proxy"),
    "run/version": proxy_run("Image", "version: v0.9.3"),
    "run/options": proxy_run("HostConfig", "options: {cpus: 1}"),
    "ssh/user": Effect("ssh/ansible_user", "ssh: {user: app}"),
    "ssh/port": Effect("ssh/ansible_port", "ssh: {port: 2222}"),
    "ssh/proxy": Effect("ssh/ansible_ssh_common_args", "ssh: {proxy: 192.0.2.1}"),
    "ssh/proxy_command": Effect("ssh/ansible_ssh_common_args", "ssh: {proxy_command: nc %h %p}"),
    "ssh/log_level": Effect("ssh/ansible_ssh_common_args", "ssh: {log_level: debug}"),
    "ssh/keys_only": Effect("ssh/ansible_ssh_common_args", "ssh: {keys_only: true}"),
    "ssh/keys": Effect("ssh/ansible_ssh_private_key_file", "ssh: {keys: [/key]}"),
    "ssh/key_data": Effect("ssh/ansible_ssh_extra_args", "ssh: {key_data: [KEY]}"),
    "ssh/config": Effect("ssh/ansible_ssh_common_args", "ssh: {config: false}"),
    "ssh/forward_agent": Effect("ssh/ansible_ssh_common_args", "ssh: {forward_agent: true}"),
    "sshkit/max_concurrent_starts": Effect("connection_starts", "sshkit: {max_concurrent_starts: 1}"),
    "sshkit/pool_idle_timeout": Effect("ssh/ansible_ssh_args", "sshkit: {pool_idle_timeout: 1}"),
    "sshkit/dns_retries": Effect("dns_retries", "sshkit: {dns_retries: 1}"),
}


def keys_below(prefix: str, schema: dict[str, Any]) -> Iterator[str]:
    """The keys that a section documents, with those of maps that are written inside it."""
    for form in (schema, schema.get("then", {}), *schema.get("anyOf", ())):
        for name, inner in (form.get("properties") or {}).items():
            yield f"{prefix}/{name}"
            yield from keys_below(f"{prefix}/{name}", inner)


def schema_keys() -> set[str]:
    schema = json.loads(SCHEMA_FILE.read_text())
    sections = {"root": schema, **schema["$defs"]}
    return {key for name, section in sections.items() for key in keys_below(name, section)}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    hook = tmp_path / "my" / "hooks" / "pre-deploy"
    hook.parent.mkdir(parents=True)
    hook.touch(mode=0o755)
    (tmp_path / "public").mkdir()
    (tmp_path / "public/503.html").touch()
    return tmp_path


def config_of(text: str, project: Path) -> Config:
    return from_mapping({**BASE, **(yaml.safe_load(text) or {})}, None, str(project))


def seen(text: str, project: Path) -> dict[str, Any]:
    config = config_of(text, project)
    made = dict(to_data(plan(config, Run(version="v1", hosts=["h1", "h2"], command="deploy"))))
    others = {"ssh": connection(config.data), "aliases": config.data.get("aliases")}
    return {**made, "routes": routes(made), **others}


def routes(made: dict[str, Any]) -> dict[str, list[str]]:
    proxied = [role for role in made["hosts"]["h1"]["roles"] if role["route"]]
    return {
        role["name"]: flags.deploy_argv(role["route"], *route.wanted(from_data(RoleShare, role), "0123456789abcdef"))
        for role in proxied
    }


def at(view: Any, place: str) -> Any:
    def step(inside: Any, part: str) -> Any:
        return inside[int(part)] if isinstance(inside, list) else (inside or {}).get(part)

    return reduce(step, place.split("/"), view)


def those(kind: type) -> pytest.MarkDecorator:
    chosen = {key: case for key, case in KEYS.items() if isinstance(case, kind)}
    return pytest.mark.parametrize("case", list(chosen.values()), ids=list(chosen))


def test_every_key_of_the_schema_is_accounted_for() -> None:
    assert set(KEYS) == schema_keys()


@those(Effect)
def test_a_key_changes_what_it_is_about(case: Effect, project: Path) -> None:
    before, after = at(seen(case.before, project), case.place), at(seen(case.after, project), case.place)
    assert before != after


@those(Flag)
def test_a_key_reaches_kamal_proxy(case: Flag, project: Path) -> None:
    assert case.word not in seen("", project)["routes"]["web"]
    assert case.word in seen(f"proxy: {{{case.proxy}}}", project)["routes"]["web"]


@those(Told)
def test_a_key_without_effect_says_so(case: Told, project: Path) -> None:
    notices = overview(config_of(case.text, project), "v1")["notices"]
    assert [notice for notice in notices if notice.startswith(case.named)]


@those(Checked)
def test_a_key_decides_what_is_accepted(case: Checked, project: Path) -> None:
    with pytest.raises(ConfigError, match=case.named):
        config_of(case.text, project)
