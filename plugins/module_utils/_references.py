# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""References to images: `REPOSITORY:TAG` and `REPOSITORY@DIGEST`, put together and taken apart."""

from __future__ import annotations

import re
from typing import Optional, Tuple

# What Docker calls Docker Hub where it keeps a login.
DOCKER_HUB = "https://index.docker.io/v1/"
# And in the names of images.
HUB = "docker.io"
HUBS = (HUB, f"index.{HUB}")
ON_HUB = re.compile(r"^((index\.)?docker\.io/)?(library/)?")
LATEST = "latest"
UNTAGGED = "<none>:<none>"


def tagged(repository: str, tag: str) -> str:
    return f"{repository}:{tag}"


def pinned(repository: str, digest: str) -> str:
    return f"{repository}@{digest}"


def split(reference: str) -> Tuple[str, str]:
    """Repository, and tag or digest; a colon before a slash belongs to the registry's port. Without a tag: latest."""
    repository, at, digest = reference.partition("@")
    if at:
        return repository, digest
    repository, colon, tag = reference.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (reference, LATEST)


def parts(reference: str) -> Tuple[str, str, str]:
    """Repository, tag and digest, of which either may be empty."""
    name, _at, digest = reference.partition("@")
    repository, colon, tag = name.rpartition(":")
    return (repository, tag, digest) if colon and "/" not in tag else (name, "", digest)


def of_one_registry(*addresses: str) -> bool:
    """Whether logins to these addresses are to the same registry, as Docker sees it: without scheme and path."""
    return len({address.rpartition("://")[2].partition("/")[0] for address in addresses}) == 1


def server_of(image: str) -> Optional[str]:
    """The registry in the name of an image; None for Docker Hub."""
    first, slash, _rest = image.partition("/")
    is_server = slash and (first == "localhost" or "." in first or ":" in first)
    return first if is_server and first != HUB else None


def short(name: str) -> str:
    """As Docker lists it: without the registry where that is Docker Hub."""
    return ON_HUB.sub("", name)


def tag_of(reference: str) -> str:
    return split(reference)[1]


def latest_tag(destination: str = "") -> str:
    """The tag of the image that is live at a destination."""
    return f"{LATEST}-{destination}" if destination else LATEST


def is_latest(tag: str) -> bool:
    """Whether it is the latest tag of any destination."""
    return tag == LATEST or tag.startswith(f"{LATEST}-")
