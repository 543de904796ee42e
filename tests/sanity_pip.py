# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stands in for the get-pip script of ansible-test where that cannot be downloaded."""

from __future__ import annotations

import subprocess
import sys

PYTHON_HAS_NO_SUCH = ("--no-setuptools", "--no-wheel")


def main(arguments: list[str]) -> None:
    options = [argument for argument in arguments if argument not in PYTHON_HAS_NO_SUCH]
    subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([sys.executable, "-m", "pip", "install", *options], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
