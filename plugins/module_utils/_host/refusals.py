# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an engine or a registry that lets nobody in means, and what to do about it."""

from __future__ import annotations

from .._errors import ImageError, LoginError

DENIED = ("unauthorized", "denied", "no basic auth credentials", "authentication required")
# What an engine says of a registry that is down, hangs, is busy or cannot be reached.
SILENT = (
    "connection refused",
    "connection reset",
    "no such host",
    "no route to host",
    "network is unreachable",
    "timeout",
    "timed out",
    "deadline exceeded",
    "unexpected eof",
    ": eof",
    "bad gateway",
    "service unavailable",
    "toomanyrequests",
    "too many requests",
)
CHECK_LOGIN = "Check registry/username, registry/password and that this account may read the image."
LOG_IN = (
    "The run has no login for it: give registry/username and registry/password a value on the controller, or log in on "
    "this host, as the user of this task (docker login SERVER), and run this again."
)


def not_pulled(reference: str, explanation: str, has_login: bool) -> ImageError:
    """`has_login`: whether the run has one for the registry."""
    if is_denied(explanation):
        remedy = CHECK_LOGIN if has_login else LOG_IN
        return LoginError(f"The registry refused to hand out {reference}: {explanation}. {remedy}")
    if is_silent(explanation):
        return silent(f"could not pull {reference}", explanation)
    return ImageError(f"Could not pull {reference}: {explanation}")


def silent(what: str, explanation: str) -> ImageError:
    """`registry_silent` in the result makes the controller ask again."""
    return ImageError(
        f"Docker {what}, since the registry does not answer this host: {explanation}. See that the registry is up and "
        "can be reached from here, then run the same command again.",
        registry_silent=True,
    )


def is_silent(explanation: str) -> bool:
    """Whether a registry may well answer a little later."""
    return any(text in explanation.lower() for text in SILENT)


def is_denied(explanation: str) -> bool:
    return any(text in explanation.lower() for text in DENIED)


def no_engine(host: str, explanation: str) -> str:
    if "Permission denied" in explanation:
        return (
            f"This user may not talk to the Docker engine at {host}. Add the user to the group docker "
            "(the playbook caravan.kamal.setup does) and connect anew."
        )
    return (
        f"No Docker engine answers at {host} ({explanation}). Start it (systemctl start docker), "
        "or install it with the playbook caravan.kamal.setup."
    )
