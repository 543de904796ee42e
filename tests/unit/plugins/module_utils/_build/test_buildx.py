# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command line of a build."""

from __future__ import annotations

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._build import buildx


@pytest.mark.parametrize(
    "build, words",
    [
        ({}, []),
        ({"platforms": ["linux/amd64", "linux/arm64"]}, ["--platform=linux/amd64,linux/arm64"]),
        ({"platforms": []}, []),
        ({"tags": ["app:1", "app:latest"]}, ["--tag=app:1", "--tag=app:latest"]),
        ({"labels": {"service": "app", "a": "b=c"}}, ["--label=service=app", "--label=a=b=c"]),
        ({"args": {"TOKEN": "hidden", "PATH": "/bin"}}, ["--build-arg=TOKEN", "--build-arg=PATH=/bin"]),
        ({"args": {"TOKEN": None, "PATH": None}}, ["--build-arg=TOKEN", "--build-arg=PATH"]),
        ({"args": {}}, []),
        ({"secrets": {"KEY": "/proc/self/fd/5"}}, ["--secret=id=KEY,src=/proc/self/fd/5"]),
        ({"dockerfile": "a b/Dockerfile", "target": "app"}, ["--file=a b/Dockerfile", "--target=app"]),
        ({"target": None}, []),
        (
            {"cache_to": ["type=gha,mode=max"], "cache_from": ["type=gha"]},
            ["--cache-to=type=gha,mode=max", "--cache-from=type=gha"],
        ),
        ({"ssh": "default"}, ["--ssh=default"]),
        ({"provenance": False, "sbom": True}, ["--provenance=false", "--sbom=true"]),
        ({"provenance": "mode=max"}, ["--provenance=mode=max"]),
        (
            {"builder": "mine", "output": "type=registry", "progress": "plain"},
            ["--output=type=registry", "--builder=mine", "--progress=plain"],
        ),
        ({"no_cache": True, "load": True, "pull": False}, ["--no-cache", "--load"]),
        ({"no_cache": False}, []),
    ],
)
def test_argv(build, words):
    assert buildx.argv({"context": "/src", **build}) == ["docker", "buildx", "build", *words, "/src"]


@pytest.mark.parametrize(
    "build, variables",
    [
        ({}, {}),
        ({"args": {"TOKEN": "x", "COUNT": 3}}, {"TOKEN": "x", "COUNT": "3"}),
        ({"args": {"DOCKER_HOST": "x", "PATH": "y", "HOME": "z", "GOPROXY": "p"}}, {"GOPROXY": "p"}),
        ({"args": {"TOKEN": None, "EMPTY": ""}}, {"EMPTY": ""}),
        ({"secrets": {"KEY": "/proc/self/fd/5"}, "args": {"A": "b"}}, {"A": "b"}),
    ],
)
def test_environment(build, variables):
    assert buildx.environment(build) == variables


def test_every_flag_is_used_once():
    keys = [flag.key for flag in buildx.FLAGS] + [key for key, _switch in buildx.SWITCHES]
    assert len(keys) == len(set(keys))
