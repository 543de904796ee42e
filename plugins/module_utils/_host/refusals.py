# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an engine or a registry that lets nobody in means, and what to do about it."""

from __future__ import annotations

from .._errors import ImageError, LoginError

DENIED = ("unauthorized", "denied", "no basic auth credentials", "authentication required")
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
    return ImageError(f"Could not pull {reference}: {explanation}")


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
