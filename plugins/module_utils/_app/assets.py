# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The static files of two versions, each of which finds those of the other: a page and its assets may come from either.

A version's assets lie on the host twice, as Kamal has it: `extracted/ROLE-VERSION` as they were in the image, and
`volumes/ROLE-VERSION`, which its container sees, with those of the version before. The same file is not stored twice.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

from .._errors import ImageError
from .._host import files, trees
from .._host.changes import Changes
from .._host.engine import Container, Image
from .._names import Names, asset_container, asset_folder, role_of, version_of
from .._shares import AssetShare, RoleShare
from .context import Context


def prepare(context: Context, role: RoleShare, image: Optional[Image], own: Sequence[Container]) -> None:
    """Before the container of a role is made, its assets are there, and those of what runs beside it.

    `image` is None only where it would be pulled (check mode), `own` are the containers of the role. Whatever a run was
    interrupted at, the next one does all of it.
    """
    if not role.assets:
        return
    extract = partial(_extract, context, role, image)
    context.changes.do(f"extract assets of {role.name} from {context.share.image.reference}", extract)
    for container in own:
        if container.running:
            share = partial(_share, context, role, container)
            context.changes.do(f"share assets with container {container.name}", share)


def clean(changes: Changes, names: Names, versions: Iterable[str]) -> None:
    """Remove the assets of all but these, and what killed extractions of others left; each is `ROLE-VERSION`."""
    directories, kept = names.asset_directories, set(versions)
    found = {name for directory in directories for name in files.folders(directory)}
    for name in sorted(found):
        whole = name[1:].rpartition(".")[0] if name.startswith(".") else name
        if whole.partition("+")[0] not in kept:
            changes.do(f"remove assets {name}", partial(_remove, directories, name))


def versions(containers: Iterable[Container], names: Names) -> Set[str]:
    """The `ROLE-VERSION` of containers of the service at the destination."""
    roles = ((container, role_of(container.labels)) for container in containers)
    return {asset_folder(role, version_of(each.name, names.role(role), each.labels)) for each, role in roles}


def _remove(directories: Iterable[str], name: str) -> None:
    for directory in directories:
        files.remove(f"{directory}/{name}")


# From the image


def _extract(context: Context, role: RoleShare, image: Optional[Image]) -> None:
    """All of it is here before anything of it is used."""
    new = {asset.extracted: trees.temporary(asset.extracted) for asset in role.assets}
    for path in new:
        trees.clear(path)
    try:
        _hand_out(context, role, image, new)
    except BaseException:
        for temporary in new.values():
            files.remove(temporary)
        raise
    for asset in role.assets:
        trees.replace(new[asset.extracted], asset.extracted)
        trees.merge(asset.extracted, asset.volume, over=not asset.writable, apart=asset.writable)


def _hand_out(context: Context, role: RoleShare, image: Optional[Image], new: Dict[str, str]) -> None:
    """From the very image that goes live, whatever its tag leads to by now."""
    engine, reference = context.engine, context.share.image.reference
    labels = Names(context.share.service, context.share.destination).labels(role.name)
    body: Dict[str, Any] = {"Image": image.id if image else reference, "Cmd": ["assets"], "Labels": labels}
    container = engine.create(asset_container(role.container), {**body, "HostConfig": {"NetworkMode": "none"}})
    try:
        for asset in role.assets:
            archive = engine.archive(container, f"{asset.path}/.")
            if archive is None:
                raise ImageError(
                    f"{reference} has no folder {asset.path}. Correct asset_path, or build the image with it."
                )
            trees.unpack(archive, new[asset.extracted])
    finally:
        engine.remove(container, volumes=True)


# With what runs


def _share(context: Context, role: RoleShare, container: Container) -> None:
    """Both ways, without writing over anything: each keeps what is its own."""
    mounted = dict(_mounted(context, container))
    for asset in role.assets:
        folder = mounted.get(asset.path)
        if folder is None:
            _take_over(context, asset, container)
            continue
        extracted, volume = (f"{directory}/{folder}" for directory in _directories(context))
        if volume != asset.volume:
            trees.merge(asset.extracted, volume, over=False, apart=asset.writable)
            trees.recover(extracted)
            trees.merge(extracted, asset.volume, over=False, apart=asset.writable)


def _directories(context: Context) -> Tuple[str, str]:
    return Names(context.share.service, context.share.destination).asset_directories


def _mounted(context: Context, container: Container) -> Iterator[Tuple[str, str]]:
    """The path in the container of each folder of assets that it has, with the name of that folder."""
    inspected = context.engine.inspect(container.id)
    binds: List[str] = (inspected["HostConfig"].get("Binds") or []) if inspected else []
    for bind in binds:
        source, _colon, rest = bind.partition(":")
        _before, found, folder = source.partition(f"/{_directories(context)[1]}/")
        if found:
            yield rest.partition(":")[0], folder


def _take_over(context: Context, asset: AssetShare, container: Container) -> None:
    """What runs was started before there was an asset_path: its assets are only in itself."""
    archive = context.engine.archive(container.id, f"{asset.path}/.")
    if archive is None:
        return
    temporary = trees.temporary(asset.extracted)
    try:
        trees.unpack(archive, temporary)
        trees.merge(temporary, asset.volume, over=False, apart=asset.writable)
    finally:
        files.remove(temporary)
