# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One build of an image: with buildx where the docker command has it, else with what there is."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

from .._errors import BuildError, EngineError
from .._host.engine import Engine
from .._progress import Progress
from . import builders, buildx, client, packs
from .builders import Builder
from .client import Client
from .output import BuildKitOutput, EngineOutput, Output
from .source import Source
from .wanted import Wanted, choice

METADATA = "metadata.json"
DIGEST = "containerimage.digest"
BUILDKIT_COMMAND = ("docker", "build")
# What stays out where this Dockerfile is built; the engine's own builder only knows .dockerignore.
OF_ITS_OWN = ".dockerignore"
NOT_HERE = (
    "{keys} cannot be had without buildx, and the docker command where the image is built does not have it. "
    + client.INSTALL
    + " Or name another host that builds in kamal_build_host."
)


@dataclass(frozen=True)
class Way:
    """How an image is built here; `builder` is that of buildx, None the engine's own."""

    means: int
    builder: Optional[Builder]

    def pushes(self, wanted: Wanted) -> bool:
        """Whether the build itself brings the image to the registry, and leaves none in the engine at hand."""
        return self.builder is not None and wanted.push


def find(wanted: Wanted, engine: Engine) -> Way:
    """The way to build an image. BuildError where there is none, with all keys that stand in the way."""
    if wanted.pack:
        packs.require()
        return Way(client.ENGINE, None)
    builder, means = builders.find(choice(wanted), engine.architecture()), client.means()
    keys = [key for key, needs in _needed(wanted, builder) if needs > means]
    if keys:
        raise BuildError(NOT_HERE.format(keys=" and ".join(keys)))
    if len(wanted.arch) > 1 and not wanted.push:
        raise BuildError(
            f"builder/arch names {', '.join(wanted.arch)}, and an image for several architectures can only be in a "
            "registry, to which nothing is pushed in this run. Name one architecture, or a registry."
        )
    return Way(means, builder)


def _needed(wanted: Wanted, builder: Optional[Builder]) -> List[Tuple[str, int]]:
    """The keys that not every way can do, each with what the docker command has to have for it."""
    keys: Tuple[Tuple[str, Any, int], ...] = (
        ("builder/secrets", wanted.secrets, client.BUILDKIT),
        ("builder/ssh", wanted.ssh, client.BUILDKIT),
        ("builder/cache", wanted.cache_to or wanted.cache_from, client.BUILDX),
        ("builder/provenance", wanted.provenance not in (None, "false"), client.BUILDX),
        ("builder/sbom", wanted.sbom not in (None, "false"), client.BUILDX),
        ("several of builder/arch", len(wanted.arch) > 1, client.BUILDX),
        ("builder/remote", builder and builder.remote, client.BUILDX),
        ("builder/driver", builder and wanted.driver, client.BUILDX),
    )
    return [(key, needs) for key, value, needs in keys if value]


@dataclass(frozen=True)
class Bench:
    """What a build has at hand."""

    engine: Engine
    client: Client
    progress: Progress


def build(way: Way, bench: Bench, source: Source, root: str) -> Optional[str]:
    """Build the image from the project's folder `root`; returns its digest where it was pushed as well."""
    source.check(root)
    if source.wanted.pack:
        output: Output = packs.output(bench.progress)
        return _by_command(bench, source, output, packs.argv(source, root, bench.client.hand), {})
    if way.means == client.ENGINE:
        _with_engine(bench, source, root)
        return None
    if way.builder:
        builders.ensure(bench.client, way.builder)
    options = {**_options(bench, source, root), **_place(way, bench, source)}
    words = buildx.argv(options) if way.means == client.BUILDX else buildx.argv(options, BUILDKIT_COMMAND)
    variables = {**buildx.environment(options), **_variables(way)}
    return _by_command(bench, source, BuildKitOutput(bench.progress), words, variables)


def _options(bench: Bench, source: Source, root: str) -> Dict[str, Any]:
    wanted = source.wanted
    return {
        "platforms": wanted.platforms,
        "tags": [wanted.reference],
        "cache_to": [wanted.cache_to] if wanted.cache_to else [],
        "cache_from": [wanted.cache_from] if wanted.cache_from else [],
        "labels": wanted.labels(source.commit),
        "args": wanted.args,
        "secrets": {name: bench.client.hand.path(name, value) for name, value in wanted.secrets.items()},
        "dockerfile": source.dockerfile(root),
        "target": wanted.target,
        "ssh": wanted.ssh_access,
        "provenance": wanted.provenance,
        "sbom": wanted.sbom,
        "no_cache": wanted.no_cache,
        "progress": "plain",
        "context": source.context(root),
    }


def _place(way: Way, bench: Bench, source: Source) -> Dict[str, Any]:
    """Where the image is built, and where it goes."""
    if way.means == client.BUILDKIT:
        return {"provenance": None, "sbom": None}
    if not way.pushes(source.wanted):
        return {"builder": way.builder.name if way.builder else None, "load": True}
    return {
        "builder": way.builder.name if way.builder else None,
        "output": "type=registry",
        "tags": [source.wanted.reference, source.wanted.latest_reference],
        "metadata_file": _metadata(bench),
    }


def _variables(way: Way) -> Dict[str, str]:
    if way.means == client.BUILDKIT:
        return {"DOCKER_BUILDKIT": "1"}
    return {"BUILDKIT_NO_CLIENT_TOKEN": "1"} if way.builder and way.builder.remote else {}


def _metadata(bench: Bench) -> str:
    return os.path.join(bench.client.hand.folder, METADATA)


def _by_command(
    bench: Bench, source: Source, output: Output, argv: List[str], variables: Mapping[str, str]
) -> Optional[str]:
    if bench.client.run(argv, variables, output.add):
        raise output.failure(source.wanted.reference, source.wanted.dockerfile)
    with contextlib.suppress(FileNotFoundError), open(_metadata(bench), encoding="utf-8") as file:
        return str(json.load(file)[DIGEST])
    return None


def _with_engine(bench: Bench, source: Source, root: str) -> None:
    wanted, output = source.wanted, EngineOutput(bench.progress)
    if os.path.exists(source.dockerfile(root) + OF_ITS_OWN):
        raise BuildError(NOT_HERE.format(keys=wanted.dockerfile + OF_ITS_OWN))
    try:
        with _reading(source.context(root)):
            for event in _events(bench.engine, source, root):
                output.add(str(event.get("stream") or event.get("error") or ""))
                if "error" in event:
                    raise output.failure(wanted.reference, wanted.dockerfile)
    except EngineError as error:
        output.add(error.message)
        raise output.failure(wanted.reference, wanted.dockerfile) from error
    output.end()


def _events(engine: Engine, source: Source, root: str) -> Iterable[Mapping[str, Any]]:
    wanted = source.wanted
    return engine.build(
        wanted.reference,
        source.context(root),
        wanted.login,
        dockerfile=source.dockerfile(root),
        labels=wanted.labels(source.commit),
        buildargs=wanted.arguments,
        target=wanted.target or "",
        platform=",".join(wanted.platforms) or None,
        nocache=wanted.no_cache,
    )


@contextlib.contextmanager
def _reading(folder: str) -> Iterator[None]:
    """The engine gets the files as one archive, which is made here."""
    try:
        yield
    except OSError as error:
        raise BuildError(
            f"The files in {folder} could not be read for the build: {error}. Make them readable, or leave them out "
            "with .dockerignore; the archive of them also needs room in the folder for temporary files."
        ) from error
