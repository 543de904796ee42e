# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What kamal-proxy reads for a service: certificates and error pages, written before a route names them."""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, Iterator, List, Mapping, Optional, Set

from .. import _records
from .._errors import ProxyError
from .._host import files, trees
from .._names import Names, role_of
from .._proxy import apps_config
from .._proxy.certificate import CERTIFICATE, PRIVATE_KEY, Certificate
from .._shares import RoleShare
from .context import Context

NOBODY = (0, 0)


def ensure(context: Context, pages: Mapping[str, str]) -> None:
    """`pages` are the error pages by their names."""
    for role in context.share.roles:
        certificate = _certificate(context, role)
        if certificate:
            certificate.ensure(context.changes, role.name)
    folder = context.share.error_pages
    if folder and not files.exists(folder):
        context.changes.do(f"write error pages {', '.join(sorted(pages))}", partial(_write_pages, folder, pages))


def options(context: Context, role: RoleShare) -> Dict[str, Any]:
    """The paths that a route is to be told."""
    certificate, pages = _certificate(context, role), context.share.error_pages
    return {
        "tls_paths": certificate.paths if certificate else None,
        "error_pages": apps_config.inside(pages) if pages else None,
    }


def clean(context: Context) -> None:
    """Once all roles of this host are live: what their routes named before goes, unless another route names it."""
    own = {role.route for role in context.share.roles if role.route}
    outdated = list(_outdated(context))
    others = _of_others(context) if outdated else ()
    apps_config.remove_unnamed(context.engine, context.changes, [each for each in outdated if each not in others], own)


def _certificate(context: Context, role: RoleShare) -> Optional[Certificate]:
    if role.certificate is None:
        return None
    return Certificate(role.certificate, context.secrets, context.engine, role.route or "")


def _write_pages(folder: str, pages: Mapping[str, str]) -> None:
    if not pages:
        raise ProxyError(
            f"The error pages of this version are not in {files.absolute(folder)}, and the task has none. Leave out "
            "its option plan, or give it error_pages."
        )
    apps_config.make(folder.rpartition("/")[0])
    temporary = trees.temporary(folder)
    trees.clear(folder)
    try:
        trees.unpack([trees.packed(pages, trees.FILE_MODE, NOBODY)], temporary)
        trees.replace(temporary, folder)
    except BaseException:
        files.remove(temporary)
        raise


def _outdated(context: Context) -> Iterator[str]:
    """Paths of what lies there and is not wanted now."""
    names = Names(context.share.service, context.share.destination)
    wanted: Set[Optional[str]] = {context.share.error_pages, *(_folder(context, role) for role in context.share.roles)}
    for directory in (names.certificates, names.error_pages):
        for each in files.folders(directory):
            folder = f"{directory}/{each}"
            if any(path and path.startswith(f"{folder}/") for path in wanted):
                yield from sorted({f"{folder}/{name}" for name in _inner(folder)} - wanted)
            else:
                yield folder


def _of_others(context: Context) -> Set[str]:
    """What roles that the plan leaves out are to have when they are started again."""
    names = Names(context.share.service, context.share.destination)
    planned = {role.name for role in context.share.roles}
    roles = {role_of(container.labels) for container in context.containers()} - planned
    live = [_records.last_of(context.records, role) for role in roles]
    pages = {f"{names.error_pages}/{record.version}" for record in live if record}
    return pages | {f"{names.certificates}/{role}" for role in roles}


def _folder(context: Context, role: RoleShare) -> Optional[str]:
    certificate = _certificate(context, role)
    return certificate.folder if certificate else None


def _inner(directory: str) -> List[str]:
    """What is in a folder that is kept; Kamal's files of a role lie beside ours."""
    kamals = [name for name in (CERTIFICATE, PRIVATE_KEY) if files.exists(f"{directory}/{name}")]
    return [*(name for name in files.folders(directory) if not name.startswith(".")), *kamals]
