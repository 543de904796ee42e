# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates and error pages: there before a route names them, for kamal-proxy only, and gone when none does."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Callable, Sequence

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app.release import Release
from ansible_collections.caravan.kamal.plugins.module_utils._app.retirement import Retirement
from ansible_collections.caravan.kamal.plugins.module_utils._errors import (
    CaravanError,
    ConfigError,
    ProxyError,
    SecretError,
)
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._shares import HostShare, needed_secrets
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.load import from_mapping
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.pages import read
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.planner import plan
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.run import Run
from fakes import USER, FakeEngine

pytestmark = pytest.mark.usefixtures("home", "no_waiting")

APP = ".kamal/proxy/apps-config/hello"
INSIDE = "/home/kamal-proxy/.apps-config/hello"
SSL = {"ssl": {"certificate_pem": "CERT", "private_key_pem": "KEY"}}
BASE: dict[str, Any] = {"service": "hello", "image": "hello", "servers": ["host1"], "readiness_delay": 0}
TLS = {**BASE, "proxy": {"host": "hello.example.com", **SSL}}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Certificates with their keys."""
    folder = tmp_path_factory.mktemp("pem")
    made = []
    for name in ("a", "b"):
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}")
        files = ("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem", "-days", "2")
        subprocess.run(["openssl", "req", "-x509", *curve, *files], check=True, capture_output=True)
        made.append(((folder / f"{name}.pem").read_text(), (folder / f"{name}.key").read_text()))
    return made


@pytest.fixture
def host(engine: FakeEngine) -> FakeEngine:
    engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
    return engine


class Project:
    """A project on the controller with error pages, if it has any."""

    def __init__(self, root: Path, **pages: str) -> None:
        self.root = root
        (root / "public").mkdir(parents=True)
        (root / "public/index.html").write_text("no error page")
        self.write(**pages)

    def write(self, **pages: str) -> None:
        for name, text in pages.items():
            (self.root / f"public/{name[1:]}.html").write_text(text)

    def share(self, version: str, roles: Sequence[str] = (), **keys: Any) -> HostShare:
        data = {**BASE, "error_pages_path": "public", **keys}
        config = from_mapping({key: value for key, value in data.items() if value}, None, str(self.root))
        run = Run(version=version, hosts=["host1"], command="deploy", roles=roles)
        return plan(config, run).hosts["host1"]


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project"), _503="down {{ .Message }}", _404="none")


def share_of(version: str, data: dict[str, Any]) -> HostShare:
    config = from_mapping(data, None, "/project")
    return plan(config, Run(version=version, hosts=["host1"], command="deploy")).hosts["host1"]


def deploy(
    engine: FakeEngine, share: HostShare, secrets: dict[str, str] | None = None, check: bool = False, pages: Any = None
) -> list[str]:
    """Stage and go live; the engine has the version's image."""
    if share.image.reference not in engine.pictures:
        engine.add_image(share.image.reference, f"image of {share.version}")
    actions: list[str] = []
    for step in ("stage", "live"):
        changes = Changes(check)
        release = Release(engine, changes, share, secrets or {}, error_pages=pages or {})
        getattr(release, step)(None)
        actions += changes.actions
    return actions


def secrets(pair: tuple[str, str]) -> dict[str, str]:
    return {"CERT": pair[0], "KEY": pair[1]}


def option(engine: FakeEngine, name: str, route: str = "hello-web") -> str:
    return str(engine.routes[route]["options"][name])


def on_host(engine: FakeEngine, name: str) -> Path:
    return Path.home() / option(engine, name).replace(INSIDE, APP)


# Certificates


def test_the_route_has_the_certificate_and_only_kamal_proxy_may_read_it(
    host: FakeEngine, pairs: list[tuple[str, str]], home: Path
) -> None:
    actions = deploy(host, share_of("v1", TLS), secrets(pairs[0]))
    assert actions.index("write certificate of web") < actions.index("create container hello-web-v1")
    for name, text in (("tls_certificate_path", pairs[0][0]), ("tls_private_key_path", pairs[0][1])):
        file = on_host(host, name)
        assert file.read_text() == text
        assert file.stat().st_mode & 0o777 == 0o600
        assert host.owners[file] == (USER, USER)
        for folder in list(file.parents)[:4]:
            assert folder.stat().st_mode & 0o777 == 0o755, folder
    assert option(host, "tls_enabled") == "True"
    assert (home / ".kamal").stat().st_mode & 0o777 == 0o700


def test_a_renewed_certificate_is_a_new_route_and_no_new_container(
    host: FakeEngine, pairs: list[tuple[str, str]]
) -> None:
    share = share_of("v1", TLS)
    deploy(host, share, secrets(pairs[0]))
    assert deploy(host, share, secrets(pairs[0])) == []
    old, container = on_host(host, "tls_certificate_path"), host.container("hello-web-v1")["Id"]
    foreseen = deploy(host, share, secrets(pairs[1]), check=True)
    assert deploy(host, share, secrets(pairs[1])) == foreseen
    assert [words.partition(" to ")[0] for words in foreseen] == [
        "write certificate of web",
        "route hello-web",
        f"remove {APP}/tls/web/{old.parent.name}",
    ]
    assert host.container("hello-web-v1")["Id"] == container
    assert on_host(host, "tls_certificate_path").read_text() == pairs[1][0]
    assert not old.parent.exists()
    assert deploy(host, share, secrets(pairs[1])) == []


def test_line_breaks_may_be_written_out(host: FakeEngine, pairs: list[tuple[str, str]]) -> None:
    escaped = {name: text.strip().replace("\n", "\\n") for name, text in secrets(pairs[0]).items()}
    deploy(host, share_of("v1", TLS), escaped)
    assert on_host(host, "tls_private_key_path").read_text() == pairs[0][1]


@pytest.mark.parametrize(
    ("certificate", "key"), [(0, 1), ("no PEM", 1), (1, "no PEM"), ("", "")], ids=["mixed", "no cert", "no key", "none"]
)
def test_what_is_no_pair_stops_before_anything_is_staged(
    host: FakeEngine, pairs: list[tuple[str, str]], home: Path, certificate: Any, key: Any
) -> None:
    texts = [pairs[each][place] if isinstance(each, int) else each for place, each in enumerate((certificate, key))]
    with pytest.raises(SecretError, match="secrets CERT and KEY are not a certificate and the private key") as caught:
        deploy(host, share_of("v1", TLS), {"CERT": texts[0], "KEY": texts[1]})
    assert "BEGIN" not in caught.value.message
    assert list(host.here) == ["kamal-proxy"]
    assert not (home / APP).exists()


def test_a_pair_is_looked_at_without_a_file_of_its_own_where_python_has_no_other_way(
    host: FakeEngine, pairs: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    deploy(host, share_of("v1", TLS), secrets(pairs[0]))
    with pytest.raises(SecretError, match="are not a certificate"):
        deploy(host, share_of("v2", TLS), {"CERT": pairs[1][0], "KEY": pairs[0][1]})


def test_a_role_may_have_its_own_or_none(host: FakeEngine, pairs: list[tuple[str, str]]) -> None:
    roles = {
        "web": ["host1"],
        "api": {"hosts": ["host1"], "proxy": {"host": "api.example.com"}},
        "raw": {"hosts": ["host1"], "proxy": {"host": "raw.example.com", "ssl": False}},
        "jobs": {"hosts": ["host1"], "cmd": "jobs"},
    }
    share = share_of("v1", {**TLS, "servers": roles})
    assert needed_secrets(share.roles)[-2:] == [{"certificate": "CERT", "private key": "KEY"}] * 2
    deploy(host, share, secrets(pairs[0]))
    assert [option(host, "tls_enabled", f"hello-{role}") for role in ("web", "api", "raw")] == ["True", "True", "False"]
    assert "/tls/api/" in option(host, "tls_certificate_path", "hello-api")


def test_a_failed_switch_leaves_the_old_certificate(host: FakeEngine, pairs: list[tuple[str, str]]) -> None:
    deploy(host, share_of("v1", TLS), secrets(pairs[0]))
    old = on_host(host, "tls_certificate_path")
    host.fails_after_switch = True
    with pytest.raises(CaravanError):
        deploy(host, share_of("v2", TLS), secrets(pairs[1]))
    assert on_host(host, "tls_certificate_path") == old and old.read_text() == pairs[0][0]


def test_kamals_files_go_once_no_route_names_them(host: FakeEngine, pairs: list[tuple[str, str]], home: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (home / APP / "tls/web").mkdir(parents=True, exist_ok=True)
        (home / APP / "tls/web" / name).write_text("kamal's")
    host.boot_proxy()
    host.here["kamal-proxy"]["HostConfig"]["Binds"] = [f"{home}/.kamal/proxy/apps-config:{INSIDE[:-6]}"]
    actions = deploy(host, share_of("v1", TLS), secrets(pairs[0]))
    assert actions[-2:] == [f"remove {APP}/tls/web/cert.pem", f"remove {APP}/tls/web/key.pem"]


def test_what_another_route_names_stays(host: FakeEngine, pairs: list[tuple[str, str]]) -> None:
    both = {"web": ["host1"], "api": {"hosts": ["host1"], "proxy": {"host": "api.example.com"}}}
    deploy(host, share_of("v1", {**TLS, "servers": both}), secrets(pairs[0]))
    deploy(host, share_of("v2", TLS), secrets(pairs[1]))
    assert on_host(host, "tls_certificate_path").read_text() == pairs[1][0]
    path = Path.home() / option(host, "tls_certificate_path", "hello-api").replace(INSIDE, APP)
    assert path.read_text() == pairs[0][0], "kamal-proxy would forget every route when it starts again"


def test_what_a_stopped_role_needs_stays_while_others_are_deployed(
    host: FakeEngine, pairs: list[tuple[str, str]], project: Project
) -> None:
    roles = {"web": ["host1"], "api": {"hosts": ["host1"], "proxy": {"host": "api.example.com"}}}
    pages = read(str(project.root / "public"))

    def of(version: str, *names: str) -> HostShare:
        return project.share(version, names, servers=roles, proxy=TLS["proxy"])

    deploy(host, of("v1"), secrets(pairs[0]), pages=pages)
    before = host.routes["hello-api"]["options"]
    Retirement(host, Changes(False), of("v1"), ["api"]).stop()
    foreseen = deploy(host, of("v2", "web"), secrets(pairs[0]), check=True, pages=pages)
    assert deploy(host, of("v2", "web"), secrets(pairs[0]), pages=pages) == foreseen
    Release(host, Changes(False), of("v1", "api"), {}).start(None)
    assert host.routes["hello-api"]["options"] == before


@pytest.mark.parametrize("binds", [[], ["/home/other/.kamal/proxy/apps-config:/home/kamal-proxy/.apps-config"]])
def test_a_kamal_proxy_that_reads_elsewhere_is_told(
    host: FakeEngine, pairs: list[tuple[str, str]], binds: list[str]
) -> None:
    host.boot_proxy()
    host.here["kamal-proxy"]["HostConfig"]["Binds"] = binds
    with pytest.raises(ProxyError, match="does not read .*apps-config on this host: it reads .*kamal_proxy_recreate"):
        deploy(host, share_of("v1", TLS), secrets(pairs[0]))


def test_remove_leaves_none(host: FakeEngine, pairs: list[tuple[str, str]], home: Path) -> None:
    share = share_of("v1", TLS)
    deploy(host, share, secrets(pairs[0]))
    Retirement(host, Changes(False), share).remove()
    assert not (home / APP).exists()


def test_where_secrets_are_those_of_the_host_so_is_the_certificate(
    host: FakeEngine, pairs: list[tuple[str, str]], home: Path
) -> None:
    with pytest.raises(SecretError, match=r"no certificate in .*tls/web on this host yet\. Deploy once with"):
        deploy(host, share_of("v1", TLS), {})
    deploy(host, share_of("v1", TLS), secrets(pairs[0]))
    before = on_host(host, "tls_certificate_path")
    deploy(host, share_of("v2", TLS), {})
    assert host.target("hello-web") == "hello-web-v2"
    assert on_host(host, "tls_certificate_path") == before and before.read_text() == pairs[0][0]


@pytest.mark.parametrize("newer", [False, True])
def test_of_two_that_are_there_the_one_of_the_route_is_taken(
    host: FakeEngine, pairs: list[tuple[str, str]], home: Path, newer: bool
) -> None:
    """The other one is left where a deploy with it failed, or where nothing was cleaned up since."""
    deploy(host, share_of("v1", TLS), secrets(pairs[0]))
    first = on_host(host, "tls_certificate_path")
    host.fails_after_switch = True
    with pytest.raises(CaravanError):
        deploy(host, share_of("v2", TLS), secrets(pairs[1]))
    host.fails_after_switch = False
    (other,) = set(first.parent.parent.iterdir()) - {first.parent}
    os.utime(other, (10**9 * (4 if newer else 1),) * 2)
    deploy(host, share_of("v3", TLS), {})
    assert on_host(host, "tls_certificate_path") == first and not other.exists()


def test_where_the_route_names_none_the_newest_is_taken(host: FakeEngine, pairs: list[tuple[str, str]]) -> None:
    deploy(host, share_of("v1", TLS), secrets(pairs[0]))
    first = on_host(host, "tls_certificate_path")
    del host.routes["hello-web"]
    older = first.parent.with_name("0123456789abcdef")
    shutil.copytree(first.parent, older)
    os.utime(older, (10**9, 10**9))
    deploy(host, share_of("v2", TLS), {})
    assert on_host(host, "tls_certificate_path") == first


def test_a_certificate_that_was_cut_short_is_none(host: FakeEngine, pairs: list[tuple[str, str]], home: Path) -> None:
    deploy(host, share_of("v1", TLS), secrets(pairs[0]))
    before = on_host(host, "tls_certificate_path")
    begun = home / APP / "tls/web/0123456789abcdef"
    begun.mkdir()
    (begun / "cert.pem").write_text("half of one")
    deploy(host, share_of("v2", TLS), {})
    assert on_host(host, "tls_certificate_path") == before


# Error pages


def test_pages_are_there_for_everybody_before_the_route_names_them(host: FakeEngine, project: Project) -> None:
    share = project.share("v1")
    actions = deploy(host, share, pages=read(str(project.root / "public")))
    assert actions.index("write error pages 404.html, 503.html") < actions.index("create container hello-web-v1")
    folder = on_host(host, "error_page_path")
    assert folder.parent == Path.home() / APP / "error_pages/v1"
    assert {file.name: file.read_text() for file in folder.iterdir()} == {
        "404.html": "none",
        "503.html": "down {{ .Message }}",
    }
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o444}
    assert deploy(host, share, pages=read(str(project.root / "public"))) == []


@pytest.mark.parametrize(("version", "gone"), [("v1", "error_pages/v1/"), ("v2", "error_pages/v1")])
def test_changed_pages_take_effect_and_the_old_ones_go(
    host: FakeEngine, project: Project, version: str, gone: str
) -> None:
    deploy(host, project.share("v1"), pages=read(str(project.root / "public")))
    old = on_host(host, "error_page_path")
    project.write(_503="back soon")
    pages, share = read(str(project.root / "public")), project.share(version)
    foreseen = deploy(host, share, check=True, pages=pages)
    assert deploy(host, share, pages=pages) == foreseen
    assert foreseen[-1].startswith(f"remove {APP}/{gone}")
    assert (on_host(host, "error_page_path") / "503.html").read_text() == "back soon"
    assert not old.exists()


def test_without_the_key_the_pages_go(host: FakeEngine, project: Project) -> None:
    deploy(host, project.share("v1"), pages=read(str(project.root / "public")))
    assert deploy(host, project.share("v1", error_pages_path=None))[-1] == f"remove {APP}/error_pages/v1"
    assert option(host, "error_page_path") == ""


@pytest.mark.parametrize(
    ("arrange", "message"),
    [
        (lambda root: None, r"cannot read .*/public: No such file"),
        (lambda root: (root / "public").mkdir(), r"public has no page such as 404.html or 503.html"),
        (lambda root: Project(root, _600="x", _40x="x"), r"public has no page such as 404.html or 503.html"),
        (
            lambda root: (Project(root, _404="x").root / "public/503.html").write_bytes(b"\xff"),
            r"cannot read .*/public/503\.html: it is no UTF-8",
        ),
    ],
)
def test_pages_that_are_none_are_told_in_the_plan(tmp_path: Path, arrange: Callable[[Path], Any], message: str) -> None:
    arrange(tmp_path)
    config = from_mapping({**BASE, "error_pages_path": "public"}, None, str(tmp_path))
    with pytest.raises(ConfigError, match=message) as caught:
        plan(config, Run(version="v1", hosts=["host1"], command="deploy"))
    assert caught.value.problems[0].key_path == "error_pages_path"
    assert plan(config, Run(version="v1", hosts=["host1"], command="inspect")).hosts["host1"].error_pages is None


def test_a_route_that_fails_has_no_half_pages(host: FakeEngine, project: Project) -> None:
    with pytest.raises(ProxyError, match="error pages of this version are not in .* the task has none"):
        deploy(host, project.share("v1"))
    assert list(host.here) == ["kamal-proxy"]
