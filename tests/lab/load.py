# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A bounded load on the lab: every request is counted, and none is tried twice.

From Python: ``with Load(url, host="hello.example.com") as load: ...``, then ``load.result``.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import re
import socket
import sys
import threading
import time
from collections import Counter
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent))
from lab_settings import SUBNET

MOST_PER_SECOND = 500
MOST_AT_ONCE = 50
LONGEST = 2 * 60 * 60
USUAL = 600
VERSION = re.compile(rb"version (\S+)")
KEPT_ERRORS = 20


class Refused(Exception):
    """The load asked for is outside what this generator may do."""


def checked_address(url: str) -> Tuple[str, int, str]:
    """Address, port and path of a URL of this machine or of the lab; anything else is refused."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise Refused(f"{url} is not an http:// address")
    try:
        address = socket.gethostbyname(parts.hostname)
    except OSError as error:
        raise Refused(f"{parts.hostname} has no address: {error}") from None
    ip = ipaddress.ip_address(address)
    if not ip.is_loopback and ip not in SUBNET:
        raise Refused(f"{parts.hostname} ({ip}) is neither this machine nor the lab's network {SUBNET}")
    query = "?" + parts.query if parts.query else ""
    return address, parts.port or 80, (parts.path or "/") + query


class Load:
    """Requests at an even rate from the start of the with block to its end."""

    def __init__(
        self,
        url: str,
        host: Optional[str] = None,
        rate: float = 50,
        concurrency: int = 8,
        seconds: float = USUAL,
        timeout: float = 30,
        kept_errors: int = KEPT_ERRORS,
    ) -> None:
        if not 0 < rate <= MOST_PER_SECOND or not 0 < concurrency <= MOST_AT_ONCE or not 0 < seconds <= LONGEST:
            raise Refused(f"at most {MOST_PER_SECOND} requests a second, {MOST_AT_ONCE} at once, for {LONGEST} s")
        self._address, self._port, self._path = checked_address(url)
        self._headers = {"Host": host or urlsplit(url).netloc, "Connection": "close"}
        self._every = 1 / rate
        self._seconds = seconds
        self._timeout = timeout
        self._kept_errors = kept_errors
        self._turn = threading.Lock()
        self._counts = threading.Lock()
        self._over = threading.Event()
        self._statuses: Counter[str] = Counter()
        self._versions: Counter[str] = Counter()
        self._errors: List[Tuple[float, str]] = []
        self._slowest = self._longest_gap = 0.0
        self._start = time.monotonic()
        self._workers = [threading.Thread(target=self._work, daemon=True) for _number in range(concurrency)]

    def __enter__(self) -> Load:
        self._start = self._end = self._next = self._last_good = time.monotonic()
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for worker in self._workers:
            worker.join()
        self._end = time.monotonic()

    def wait(self, until_file: Optional[str] = None) -> None:
        """Returns when the time is over or the file appears."""
        while time.monotonic() < self._start + self._seconds:
            if until_file and Path(until_file).exists():
                return
            time.sleep(0.05)

    def good(self) -> int:
        """How many requests were answered well so far."""
        return self._statuses["200"]

    def elapsed(self) -> float:
        """Seconds since the load began."""
        return time.monotonic() - self._start

    @property
    def over(self) -> bool:
        """Whether its time is over, so that no more requests come."""
        return self.elapsed() >= self._seconds

    @property
    def failures(self) -> List[Tuple[float, str]]:
        """The first failed requests: seconds from the load's begin to the request's, and how it failed."""
        with self._counts:
            return list(self._errors)

    @property
    def result(self) -> Dict[str, Any]:
        with self._counts:
            requests = sum(self._statuses.values())
            end = self._end if self._over.is_set() else time.monotonic()
            return {
                "requests": requests,
                "failed": requests - sum(n for status, n in self._statuses.items() if status.startswith("2")),
                "seconds": round(end - self._start, 2),
                "statuses": dict(self._statuses),
                "versions": dict(self._versions),
                "max_gap": round(self._longest_gap, 3),
                "slowest": round(self._slowest, 3),
                "errors": [f"{moment:.2f} s: {error}" for moment, error in self._errors],
            }

    def _work(self) -> None:
        while self._wait_for_turn():
            began = time.monotonic()
            status, version, error = self._request()
            self._count(status, version, error, began)

    def _wait_for_turn(self) -> bool:
        with self._turn:
            now = time.monotonic()
            # Turns that were missed are not made up for in a burst.
            due = max(self._next, now)
            self._next = due + self._every
        if due > self._start + self._seconds:
            return False
        return not self._over.wait(max(0.0, due - now))

    def _request(self) -> Tuple[str, str, str]:
        connection = HTTPConnection(self._address, self._port, timeout=self._timeout)
        try:
            connection.request("GET", self._path, headers=self._headers)
            response = connection.getresponse()
            found = VERSION.search(response.read())
        except (OSError, HTTPException) as error:
            return "error", "", repr(error)
        finally:
            connection.close()
        good = 200 <= response.status < 300
        return str(response.status), found.group(1).decode() if found else "", "" if good else str(response.status)

    def _count(self, status: str, version: str, error: str, began: float) -> None:
        with self._counts:
            now = time.monotonic()
            self._statuses[status] += 1
            self._slowest = max(self._slowest, now - began)
            if version:
                self._versions[version] += 1
            if not error:
                self._longest_gap = max(self._longest_gap, now - self._last_good)
                self._last_good = now
            elif len(self._errors) < self._kept_errors:
                self._errors.append((began - self._start, error))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A bounded load on the lab; prints what came back as JSON.")
    parser.add_argument("--url", required=True, help="of this machine or a lab address")
    parser.add_argument("--host-header", help="the Host header to send")
    parser.add_argument("--rate", type=float, default=50, help=f"requests a second (at most {MOST_PER_SECOND})")
    parser.add_argument("--concurrency", type=int, default=8, help=f"at once (at most {MOST_AT_ONCE})")
    parser.add_argument("--seconds", type=float, default=10, help=f"at most {LONGEST}")
    parser.add_argument("--until-file", help="stop when this file appears")
    parser.add_argument("--output", help="write the JSON to this file too")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    try:
        load = Load(given.url, given.host_header, given.rate, given.concurrency, given.seconds)
    except Refused as refusal:
        print(f"load: refused, {refusal}", file=sys.stderr)
        return 2
    with load:
        load.wait(given.until_file)
    text = json.dumps(load.result, indent=2)
    if given.output:
        Path(given.output).write_text(text + "\n")
    print(text)
    return 1 if load.result["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
