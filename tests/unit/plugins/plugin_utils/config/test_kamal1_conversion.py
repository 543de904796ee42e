# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Configurations for Kamal 1, and what they are for Kamal 2."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ConfigError
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.kamal1_conversion import (
    Conversion,
    beside,
    convert,
)
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.load import Settings, load
from conftest import ROOT

CASES: list[dict[str, Any]] = yaml.safe_load((ROOT / "tests/unit/data/kamal1.yml").read_text())


def converted(text: str, is_base: bool = True) -> Conversion:
    return convert(dedent(text), "config/deploy.yml", is_base)


def said(conversion: Conversion) -> list[str]:
    return [line.partition(":")[2].partition(" ")[2] for line in conversion.lines()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_each_key_is_converted_or_explained(case: dict[str, Any]) -> None:
    conversion = converted(case["before"], is_base=case.get("is_base", False))
    assert conversion.after == case.get("after", case["before"])
    assert said(conversion) == case["said"]
    assert bool(conversion.left) == case.get("left", False)


@pytest.mark.parametrize("case", [case for case in CASES if not case.get("left")], ids=lambda case: case["name"])
def test_what_was_converted_is_not_converted_again(case: dict[str, Any]) -> None:
    assert [line for line in said(converted(case.get("after", case["before"]), False)) if "by hand" not in line] == []


@pytest.mark.parametrize("case", [case for case in CASES if case.get("left")], ids=lambda case: case["name"])
def test_what_is_left_is_left_in_what_was_converted(case: dict[str, Any]) -> None:
    """Else the next run would take the hosts' Traefik away with it."""
    conversion = converted(case["before"])
    again = converted(conversion.after)
    assert again.is_former and again.after == conversion.after
    assert [step.path for step in again.left] == [step.path for step in conversion.left]


WHOLE = """\
# Name of your application.
service: hey
image: acme/hey   # on Docker Hub

servers:
  web:
    hosts:
      - 192.0.2.1
      - <%= ENV["SECOND"] %>
    labels:
      # The name that people type.
      traefik.http.routers.hey.rule: Host(`hey.example.com`)
      traefik.http.routers.hey.tls.certresolver: letsencrypt
      team: mail
  job:
    hosts: [192.0.2.3]
    cmd: bin/jobs
  api:
    hosts: [192.0.2.4]
    traefik: true
registry:
  username: acme
  password:
    - KAMAL_REGISTRY_PASSWORD

# How the image is built.
builder:
  multiarch: false
  args:
    RUBY_VERSION: 3.3
stop_wait_time: 25

# The reverse proxy.
traefik:
  image: traefik:v2.10
  host_port: 8080
  args:
    accesslog: true
    certificatesResolvers.letsencrypt.acme.email: me@example.com
  options:
    publish:
      - "443:443"
    volume: [/letsencrypt/acme.json:/letsencrypt/acme.json]

healthcheck:
  path: /health   # without a login
  port: 4000
  interval: 10s
  max_attempts: 10
  cord: false
"""

AFTER = """\
# Name of your application.
service: hey
image: acme/hey   # on Docker Hub

servers:
  web:
    hosts:
      - 192.0.2.1
      - <%= ENV["SECOND"] %>
    labels:
      # The name that people type.
      team: mail
    proxy:
      host: hey.example.com
      ssl: true
  job:
    hosts: [192.0.2.3]
    cmd: bin/jobs
  api:
    hosts: [192.0.2.4]
    proxy: true
registry:
  username: acme
  password:
    - KAMAL_REGISTRY_PASSWORD

# How the image is built.
builder:
  args:
    RUBY_VERSION: 3.3
drain_timeout: 25

# The reverse proxy.
proxy:
  run:
    http_port: 8080
  ssl: true
  healthcheck:
    path: /health
    interval: 10
  app_port: 4000
deploy_timeout: 55

"""


def test_a_whole_file_keeps_its_comments_its_order_and_its_erb(tmp_path: Path) -> None:
    conversion = converted(WHOLE)
    assert conversion.after == AFTER
    assert conversion.is_former and conversion.left == []
    assert "-stop_wait_time: 25" in conversion.diff() and "+drain_timeout: 25" in conversion.diff()
    file = tmp_path / "config" / "deploy.yml"
    file.parent.mkdir()
    file.write_text(conversion.after)
    with pytest.raises(ConfigError, match="proxy/ssl"):  # the api has no host, and web two servers
        load(str(file), None, Settings({"SECOND": "192.0.2.2"}))


@pytest.mark.parametrize(
    "text", ["service: a\nproxy: {app_port: 3000}\n", "a: [\n", "- a\n", "", "labels: {traefik.enable.x: 'y'}\n"]
)
def test_a_file_that_is_not_for_kamal_1_is_left_alone(text: str) -> None:
    conversion = converted(text)
    assert not conversion.is_former and conversion.after == text


@pytest.mark.parametrize(
    "text",
    [
        "servers: {web: {hosts: [h], traefik: true}}\n",
        "{service: a, stop_wait_time: 5}\n",
    ],
)
def test_what_is_in_the_middle_of_a_line_is_explained_and_not_converted(text: str) -> None:
    conversion = converted(text)
    assert conversion.after == text and conversion.left
    assert "nothing is converted, since" in conversion.lines()[-1]


@pytest.mark.parametrize(
    ("files", "destination", "expected"),
    [
        ([], None, None),
        ([".env"], None, "Write .kamal/secrets with"),
        ([".env", ".kamal/secrets"], None, None),
        ([".env.staging"], "staging", "Write .kamal/secrets.staging with"),
        ([".env.staging", ".kamal/secrets.staging"], "staging", None),
        ([".env.erb"], None, ".env.erb -> by hand"),
    ],
)
def test_env_files_are_named_until_there_are_secrets(
    tmp_path: Path, files: list[str], destination: str | None, expected: str | None
) -> None:
    (tmp_path / ".kamal").mkdir()
    for name in files:
        (tmp_path / name).write_text("A=b\n")
    lines = beside(str(tmp_path), destination)
    assert expected in lines[0] if expected else lines == []
