# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the errors of kamal-proxy mean, and what to do about them."""

from __future__ import annotations

import re

# Letters of what it said that are repeated.
LONGEST = 1000
EXPLANATIONS = (
    (
        r"target failed to become healthy within configured timeout \((?P<what>[^)]*)\)",
        "The new container did not answer its health check with 2xx within {what}. Look at its logs; check "
        "proxy/app_port and proxy/healthcheck/path, or give it longer with deploy_timeout.",
    ),
    (
        "host settings conflict with another service",
        "Another service on this host already serves one of these hosts and paths. Give this one its own proxy/host or "
        "proxy/path_prefix, or remove the other (kamal-proxy list shows it).",
    ),
    (
        "service not found",
        "kamal-proxy does not know this service: it was never deployed on this host, or it was removed.",
    ),
    (
        "unable to load certificate",
        "kamal-proxy could not load the TLS certificate. Check that the secrets named in proxy/ssl hold a certificate "
        "and the private key that belongs to it, both PEM.",
    ),
    (
        "unable to load error pages",
        "kamal-proxy found no usable error pages. Put files like 503.html into error_pages_path, or remove that key.",
    ),
    (
        "automatic TLS does not support wildcards",
        "A certificate for a wildcard host cannot be fetched automatically. Name every host, or give proxy/ssl a "
        "certificate of your own.",
    ),
    ("rollout target not set", "There is no canary to send requests to: deploy one first."),
    (
        r"(?P<what>\S+) ?:invalid host pattern",
        "kamal-proxy was given a target that it cannot read: {what}. Check proxy/app_port.",
    ),
    (
        "max-re(quest|sponse)-body can only be set",
        "A limit on the body needs buffering: leave proxy/buffering/requests and responses on.",
    ),
    (
        "canonical-host '(?P<what>[^']*)' must be present",
        "proxy/canonical_host is {what}, which is not among proxy/hosts. Add it there.",
    ),
    (
        "TLS settings must be specified on the root path service",
        "proxy/ssl belongs to the service at the root path of the host. Remove it here: services below a path follow.",
    ),
    ("host must be set when using TLS", "proxy/ssl needs proxy/host: a certificate is for a name."),
    (
        r"dial unix .*(no such file|connection refused)",
        "kamal-proxy runs no process that answers. Look at the log of its container and reboot it.",
    ),
    (
        "unknown (flag|command)",
        "The kamal-proxy on this host is too old or new for this command. Reboot it with another proxy/run/version.",
    ),
)


def explain(stderr: str) -> str:
    """What kamal-proxy's error means and what to do about it; its own words stay at the end."""
    said = _readable(stderr.strip().split("Error: ", 1)[-1])
    for pattern, words in EXPLANATIONS:
        match = re.search(pattern, said)
        if match:
            return f"{words.format(**match.groupdict())} (kamal-proxy: {said})"
    return (
        f"kamal-proxy refused: {said}"
        if said
        else "kamal-proxy failed and said nothing. Look at the log of its container."
    )


def _readable(text: str) -> str:
    """The end of it, without what a terminal would take for more than text."""
    shown = "".join(
        letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text.strip().expandtabs(4)
    )
    return shown if len(shown) <= LONGEST else f"… {shown[-LONGEST:]}"
