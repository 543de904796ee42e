# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What goes wrong between us and a Docker engine, or between that and a registry, in our words."""

from __future__ import annotations

import contextlib
import tarfile
from typing import Any, Iterator, Tuple

from .._errors import CutShortError, EngineError, ImageError, LoginError, PortError
from . import refusals

try:
    import docker
    import docker.errors
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError
except ImportError:
    UNANSWERED: Tuple[Any, ...] = ()
    REFUSALS: Tuple[Any, ...] = ()
else:
    REFUSALS = (docker.errors.APIError,)
    # A connection that breaks while an answer is read shows what is below the SDK, and half an answer is no JSON.
    UNANSWERED = (docker.errors.DockerException, RequestException, HTTPError, OSError, ValueError)

PORT_TAKEN = ("port is already allocated", "address already in use", "ports are not available")


# What Docker says of a name that nobody has where the IDs of several begin like it.
SEVERAL = "multiple ids found"


def is_nobody(error: Exception) -> bool:
    """Whether Docker answers that no container has a name."""
    return isinstance(error, docker.errors.NotFound) or SEVERAL in str(error).lower()


@contextlib.contextmanager
def asking(what: str) -> Iterator[None]:
    """Whatever goes wrong between us and the engine becomes an EngineError; `what` goes on from "could not"."""
    try:
        yield
    except docker.errors.APIError as error:
        explanation = str(error.explanation or error)
        kind = PortError if any(text in explanation.lower() for text in PORT_TAKEN) else EngineError
        raise kind(f"Docker could not {what}: {explanation}") from error
    except UNANSWERED as error:
        if getattr(error, "filename", None):
            raise  # about a file of ours that the engine was to get
        raise EngineError(
            f"Docker did not answer when asked to {what}: {_reason(error)}. See whether the engine is well "
            "(systemctl status docker; docker ps) and run this again."
        ) from error
    except (AttributeError, KeyError, IndexError, TypeError, tarfile.TarError) as error:
        kind = CutShortError if isinstance(error, tarfile.TarError) else EngineError
        raise kind(
            f"Docker answered something unreadable when asked to {what} ({type(error).__name__}: {error}). See whether "
            "the engine is well (systemctl status docker; docker version)."
        ) from error


@contextlib.contextmanager
def asking_registry(refused: str, what: str) -> Iterator[None]:
    """An engine asks a registry, which may refuse, or not answer."""
    with asking(what):
        try:
            yield
        except docker.errors.APIError as error:
            explanation = str(error.explanation or error)
            if refusals.is_denied(explanation):
                raise LoginError(f"The registry refused to {refused}: {explanation}.") from error
            if refusals.is_silent(explanation):
                raise refusals.silent(f"could not {what}", explanation) from error
            raise


def _reason(error: BaseException) -> str:
    """The error in a few words: the SDK wraps a connection's errors several times over."""
    text = str(error)
    if "timed out" in text.lower():
        return "it took too long (the module's timeout is in seconds)"
    return text or type(error).__name__


@contextlib.contextmanager
def pulling(reference: str, has_login: bool) -> Iterator[None]:
    try:
        yield
    except docker.errors.NotFound as error:
        raise ImageError(
            f"The registry has no image {reference}. Build and push it first (leave out kamal_build=false), "
            "or check image and registry in the configuration."
        ) from error
    except UNANSWERED as error:
        explanation = str(getattr(error, "explanation", None) or _reason(error))
        raise refusals.not_pulled(reference, explanation, has_login) from error
