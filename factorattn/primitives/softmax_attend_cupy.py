"""`softmax_attend` on a GPU: checks, strides and launches; the algorithm is told in softmax_attend.cuh."""

import math
from importlib.resources import files
from numbers import Real
from typing import Any

import cupy
import numpy as np

from factorattn.primitives.dispatch import Unsupported
from factorattn.primitives.pairs import Band

__all__ = ["EXPRESSIONS", "OPTIONS", "softmax_attend", "source"]

ROWS, KEYS, THREADS = 64, 64, 128  # a block's queries, the keys of a tile, the threads that share both
HEADS = (32, 64, 128, 256)  # head sizes that are compiled for; others are filled up with zeros
BATCH_AXES = 3  # that the kernel steps through by itself, after neighbours were merged
GRID_LIMIT = 2**31 - 1  # blocks of one launch

SOURCES = ("register_tile.cuh", "softmax_attend.cuh")
OPTIONS = ("-std=c++17", f"-DROWS={ROWS}", f"-DKEYS={KEYS}", f"-DTHREADS={THREADS}")
EXPRESSIONS = {head: f"softmax_attend<{head}>" for head in HEADS}

# struct Problem of the CUDA text; every number is 64 bits wide, so that there is no padding to disagree about
_OPERANDS = ("q", "k", "v", "bias", "mask")
_PROBLEM = np.dtype(
    [
        ("sizes", np.int64, 4),
        ("band", np.int64, 2),
        ("batch", np.int64, BATCH_AXES),
        ("strides", np.int64, (len(_OPERANDS), BATCH_AXES + 2)),
    ]
)


def softmax_attend(
    q: Any,
    k: Any,
    v: Any,
    /,
    *,
    scale: float,
    softcap: float | None = None,
    bias: Any | None = None,
    mask: Any | None = None,
    band: Band = (None, None),
) -> tuple[Any, Any]:
    """Softmax attention and its log-sum-exp in float32; see `factorattn.primitives.softmax_attend`.

    Raises
    ------
    Unsupported
        If an array is not float32 (the mask: bool), arrays live on several devices or do not fit together, a head
        is larger than fits into the device's shared memory, or `scale` or `softcap` is not a number of use here.
    """
    _check(q, k, v, scale=scale, softcap=softcap, bias=bias, mask=mask)
    n, m, d, e = q.shape[-2], k.shape[-2], q.shape[-1], v.shape[-1]
    with q.device:
        head = _head_for(max(d, e))
        batch = np.broadcast_shapes(*(x.shape[:-2] for x in (q, k, v, bias, mask) if x is not None))
        full = {"q": (n, d), "k": (m, d), "v": (m, e), "bias": (n, m), "mask": (n, m)}
        operands = [
            None if x is None else cupy.broadcast_to(x, (*batch, *full[name]))
            for name, x in zip(_OPERANDS, (q, k, v, bias, mask), strict=True)
        ]
        o, lse = cupy.empty((*batch, n, e), np.float32), cupy.empty((*batch, n), np.float32)
        if lse.size > 0:
            numbers = (np.float32(scale), np.float32(0 if softcap is None else softcap))
            _launch(_kernel(head), _shared_bytes(head), operands, o, lse, numbers, _clamped(band, n, m))
        return o, lse


def _check(q: Any, k: Any, v: Any, *, scale: Any, softcap: Any, bias: Any | None, mask: Any | None) -> None:
    """Decline what the kernel does not take; the reference then words the error, if it is one."""
    arrays = {"q": q, "k": k, "v": v, "bias": bias, "mask": mask}
    arrays = {name: x for name, x in arrays.items() if x is not None}
    for name, x in arrays.items():
        wanted = np.dtype(np.bool_ if name == "mask" else np.float32)
        if x.dtype != wanted:
            raise Unsupported(f"{name} is {x.dtype}, the kernel takes {wanted}")
    if len({x.device.id for x in arrays.values()}) > 1:
        raise Unsupported("arrays are on several devices")
    if min(x.ndim for x in arrays.values()) < 2:
        raise Unsupported("an array has fewer than two axes")
    n, m = q.shape[-2], k.shape[-2]
    tables = [x.shape[-2:] for x in (bias, mask) if x is not None]
    if q.shape[-1] != k.shape[-1] or v.shape[-2] != m or any(a not in (1, n) or b not in (1, m) for a, b in tables):
        raise Unsupported("the sizes of the arrays disagree")
    if not isinstance(scale, Real):
        raise Unsupported(f"scale is a {type(scale).__name__}, the kernel takes a number")
    if softcap is not None and not (isinstance(softcap, Real) and float(softcap) > 0):
        raise Unsupported(f"softcap is {softcap!r}, the kernel takes a positive number")


def _head_for(size: int) -> int:
    for head in HEADS:
        if size <= head and _shared_bytes(head) <= _shared_limit():
            return head
    largest = max((head for head in HEADS if _shared_bytes(head) <= _shared_limit()), default=0)
    raise Unsupported(f"head size {size} > {largest}, the largest that fits into shared memory")


def _shared_bytes(head: int) -> int:
    """Queries, keys or values with their padding, weights."""
    return 4 * (ROWS * head + KEYS * (head + 4) + ROWS * KEYS)


def _clamped(band: Band, n: int, m: int) -> tuple[int, int]:
    """The same band with bounds that fit into 64 bits: j - i lies between -n and m."""
    lo, hi = (-n if band[0] is None else band[0]), (m if band[1] is None else band[1])
    return min(max(lo, -n), m), min(max(hi, -n), m)


def _launch(kernel: Any, shared: int, operands: list, o: Any, lse: Any, numbers: tuple, band: tuple[int, int]) -> None:
    """Fill o and lse; operands have their batch axes."""
    given = [x for x in operands if x is not None]
    axes = _merged(o.shape[:-2], [_steps(x)[:-2] for x in given])
    if len(axes) > BATCH_AXES:
        for i in range(o.shape[0]):
            _launch(kernel, shared, [None if x is None else x[i] for x in operands], o[i], lse[i], numbers, band)
        return
    axes = [(1, (0,) * len(given))] * (BATCH_AXES - len(axes)) + axes
    (n, d), (m, e) = operands[0].shape[-2:], operands[2].shape[-2:]
    problem = np.zeros(1, _PROBLEM)
    problem["sizes"], problem["band"] = (n, m, d, e), band
    problem["batch"] = [size for size, _ in axes]
    columns = iter(zip(*(steps for _, steps in axes), strict=True))
    for row, x in zip(problem["strides"][0], operands, strict=True):
        if x is not None:
            row[:] = *next(columns), *_steps(x)[-2:]
    blocks = math.prod(o.shape[:-2]) * -(-n // ROWS)
    for first in range(0, blocks, GRID_LIMIT):
        grid = (min(GRID_LIMIT, blocks - first),)
        kernel(grid, (THREADS,), (*operands, o, lse, problem, *numbers, np.int64(first)), shared_mem=shared)


def _steps(x: Any) -> tuple[int, ...]:
    """Strides in elements."""
    return tuple(stride // x.itemsize for stride in x.strides)


def _merged(batch: tuple[int, ...], steps: list[tuple[int, ...]]) -> list[tuple[int, tuple[int, ...]]]:
    """The batch as few axes: each a size and every array's step; neighbours that all arrays walk evenly become one."""
    axes: list[tuple[int, tuple[int, ...]]] = []
    for size, *inner in zip(batch, *steps, strict=True):
        if size == 1:
            continue
        if axes and all(outer == step * size for outer, step in zip(axes[-1][1], inner, strict=True)):
            axes[-1] = (axes[-1][0] * size, tuple(inner))
        else:
            axes.append((size, tuple(inner)))
    return axes


def source() -> str:
    """The CUDA text of the kernel."""
    return "".join(files("factorattn.primitives").joinpath(name).read_text() for name in SOURCES)


@cupy.memoize(for_each_device=True)
def _shared_limit() -> int:
    attribute = cupy.cuda.runtime.cudaDevAttrMaxSharedMemoryPerBlockOptin
    return cupy.cuda.runtime.deviceGetAttribute(attribute, cupy.cuda.Device().id)


@cupy.memoize(for_each_device=True)
def _kernel(head: int) -> Any:
    """The compiled instance for a head size; only what is called is compiled."""
    module = cupy.RawModule(code=source(), options=OPTIONS, name_expressions=(EXPRESSIONS[head],))
    kernel = module.get_function(EXPRESSIONS[head])
    kernel.max_dynamic_shared_size_bytes = _shared_bytes(head)
    return kernel
