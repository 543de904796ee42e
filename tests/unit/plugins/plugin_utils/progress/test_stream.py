# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which commands are heard while they run, and behind which names their lines are shown."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Iterator

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils.display import places
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan import command_places
from ansible_collections.caravan.kamal.plugins.plugin_utils.progress import stream


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []

    @contextmanager
    def heard(_action: Any, hear: Any) -> Iterator[Any]:
        yield SimpleNamespace(path="there", stop=None, is_whole=True)
        hear([{"state": "wrote", "place": "web", "text": "a\nb", "is_cut": False}])

    monkeypatch.setattr(stream.reader, "heard", heard)

    def display(text: str, newline: bool = True) -> None:
        lines.extend(text.splitlines())

    for module in (stream, places):
        monkeypatch.setattr(module, "Display", lambda: SimpleNamespace(display=display))
    monkeypatch.setattr(places, "stringc", lambda text, _color: text)
    return lines


def execute(
    arguments: dict[str, Any], names: list[str], check: bool = False, no_log: bool = False, **variables: Any
) -> dict[str, Any]:
    action = SimpleNamespace(
        _task=SimpleNamespace(check_mode=check, no_log=no_log), _templar=SimpleNamespace(template=lambda value: value)
    )

    def run(_module: str, given: dict[str, Any], _variables: Any) -> dict[str, Any]:
        return {"progress": given.get("progress")}

    return stream.execute(action, run, "m", arguments, {"inventory_hostname": "web1", **variables}, names)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "lines"),
    [
        (["web1 web"], ["a", "b"]),
        ([], ["a", "b"]),
        (["web1 web", "web2 workers"], ["web1 web     | a", "web1 web     | b"]),
    ],
)
def test_lines_of_one_place_are_shown_as_they_are(shown: list[str], names: list[str], lines: list[str]) -> None:
    assert execute({"raw": None, "terminal": "no"}, names) == {"progress": "there", "streamed": True}
    assert shown == lines


@pytest.mark.parametrize(
    "how",
    [{"raw": "dump"}, {"terminal": True}, {"terminal": "yes"}, {"detached": "true"}, {"progress": "mine"}],
)
def test_what_nobody_waits_for_or_reads_is_not_heard(shown: list[str], how: dict[str, Any]) -> None:
    assert "streamed" not in execute(how, ["web1 web"])
    assert "streamed" not in execute({}, ["web1 web"], kamal_format="json")
    assert "streamed" not in execute({}, ["web1 web"], check=True)
    assert "streamed" not in execute({}, ["web1 web"], no_log=True)
    assert shown == []


def test_the_places_of_a_play() -> None:
    plan = {
        "hosts": {"web1": {"roles": [{"name": "web"}]}, "web2": {"roles": [{"name": "web"}, {"name": "workers"}]}},
        "accessories": {"db": {"hosts": ["web2", "db1"]}},
    }
    variables = {
        "hostvars": {"localhost": {"kamal_plan": plan}},
        "inventory_hostname": "web1",
        "ansible_play_hosts_all": ["web1", "web2"],
    }
    assert command_places.of_roles(variables, None) == ["web1 web", "web2 web", "web2 workers"]
    assert command_places.of_roles(variables, ["workers"]) == ["web2 workers"]
    assert command_places.of_accessories(variables) == ["web2 db"]
    assert command_places.of_hosts(variables) == ["web1", "web2"]
    assert command_places.of_roles({"hostvars": {}, "ansible_play_hosts_all": ["web1"]}, None) == []
