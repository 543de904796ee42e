# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An SSH ProxyCommand that makes a lab host look distant: ssh -o 'ProxyCommand relay.py --round-trip 50 %h %p' web1."""

from __future__ import annotations

import argparse
import os
import queue
import socket
import sys
import threading
import time
from typing import Callable, Tuple

Parcel = Tuple[float, bytes]
CHUNK = 65536


def receive(read: Callable[[int], bytes], road: queue.Queue[Parcel], delay: float) -> None:
    while True:
        try:
            data = read(CHUNK)
        except OSError:
            data = b""
        road.put((time.monotonic() + delay, data))
        if not data:
            return


def deliver(road: queue.Queue[Parcel], write: Callable[[bytes], object], close: Callable[[], object]) -> None:
    """Each parcel leaves when it is due, so that only time is added and bandwidth stays."""
    while True:
        due, data = road.get()
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            if not data:
                close()
                return
            write(data)
        except OSError:
            return


def write_all(data: bytes) -> None:
    while data:
        data = data[os.write(sys.stdout.fileno(), data) :]


def relay(host: str, port: int, delay: float) -> None:
    time.sleep(2 * delay)  # the handshake of the connection itself
    connection = socket.create_connection((host, port), timeout=10)
    connection.settimeout(None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    there: queue.Queue[Parcel] = queue.Queue()
    back: queue.Queue[Parcel] = queue.Queue()
    stdin = sys.stdin.fileno()
    for work, given in (
        (receive, (lambda size: os.read(stdin, size), there, delay)),
        (deliver, (there, connection.sendall, lambda: connection.shutdown(socket.SHUT_WR))),
        (receive, (connection.recv, back, delay)),
    ):
        threading.Thread(target=work, args=given, daemon=True).start()
    deliver(back, write_all, lambda: None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--round-trip", type=float, default=50, metavar="MS", help="milliseconds there and back")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    given = parser.parse_args()
    try:
        relay(given.host, given.port, given.round_trip / 2000)
    except OSError as error:
        print(f"relay: {given.host} port {given.port} cannot be reached: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
