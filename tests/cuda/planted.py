"""Does an edit of the CUDA source of `softmax_attend` make its values wrong?  ``python planted.py ORDER EDITS``.

Exit status: 0 nothing noticed, 3 wrong values, 4 the shim refused (deadlock, shared memory); sanitizers have their own.
"""

import json
import sys

import numpy as np
import stand_in_cupy
import stand_in_kernels

from factorattn.primitives.dispatch import kernels
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.testing.tolerance import ROUNDING

WRONG, REFUSED = 3, 4


def cases():
    """Arguments for every branch: tails, several tiles, a band, a mask with blind rows, poison, odd addresses."""
    rng = np.random.default_rng(0)
    for n, m, d, e, options in (
        (77, 141, 40, 33, {"band": (None, 20)}),
        (128, 192, 32, 64, {}),
        (70, 90, 64, 64, {"mask": rng.random((70, 90)) < 0.3, "softcap": 2.0}),
    ):
        stores = ((n, d + 4), (m, d + 4), (m, e + 4))
        q, k, v = (rng.standard_normal(shape).astype(np.float32) for shape in stores)
        if "mask" in options:
            options["mask"][5], options["mask"][::2, 8] = False, False
            v[8] = np.nan
        first = 1 if d == e else 0  # skipped columns, a view on the device
        yield (q, k, v), (d, d, e), first, {"scale": d**-0.5, **options}


def wrong(stores, widths, first, options):
    """Whether the kernel's answer is farther from the reference's than rounding allows."""
    mask = None if options.get("mask") is None else stand_in_cupy.asarray(options["mask"])
    views = [slice(first, first + width) for width in widths]
    arrays = [stand_in_cupy.asarray(store)[:, view] for store, view in zip(stores, views, strict=True)]
    wide = [store[:, view].astype(np.float64) for store, view in zip(stores, views, strict=True)]
    with kernels("require"):
        got = softmax_attend(*arrays, **{**options, "mask": mask})
    for x, y in zip(got, softmax_attend.reference(*wide, **options), strict=True):
        finite = np.isfinite(y)
        if not np.array_equal(np.isfinite(x.get()), finite):
            return True
        error = np.abs(x.get()[finite] - y[finite]).max()
        if not error <= ROUNDING(np.float32, wide[1].shape[0] + wide[1].shape[1]) * np.abs(y[finite]).max():
            return True
    return False


def main(order, edits):
    """Compare on all cases; return the exit status."""
    stand_in_kernels.EDITS[:] = [tuple(edit) for edit in edits]
    with stand_in_cupy.installed(), stand_in_cupy.thread_order(order):
        try:
            return WRONG if any(wrong(*case) for case in cases()) else 0
        except stand_in_kernels.LaunchError as refusal:
            print(refusal)
            return REFUSED


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), json.loads(sys.argv[2])))
