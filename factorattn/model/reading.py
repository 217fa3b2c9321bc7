"""A pretrained sentence encoder from the folder that sentence-transformers keeps it in.

    config.json  model.safetensors  tokenizer.json  sentence_bert_config.json  modules.json  1_Pooling/config.json

What the files ask for and this library does not do is refused.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from factorattn.model.bert import layers_of
from factorattn.model.sentence_encoder import SentenceEncoder

__all__ = ["expected_shapes", "read_sentence_encoder"]

ASKED = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
NUMBERS = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "layer_norm_eps"),
    *("vocab_size", "max_position_embeddings", "type_vocab_size"),
)
MODULES = ("Transformer", "Pooling", "Normalize")


def read_sentence_encoder(folder: Any, *, dtype: Any = "float32") -> SentenceEncoder:
    """Read a BERT that makes vectors of sentences, such as all-MiniLM-L6-v2.

    Parameters
    ----------
    folder : str or path
        With the files above.
    dtype : data type
        Real floating dtype of the parameters.

    Returns
    -------
    SentenceEncoder
        Its parameters are NumPy arrays.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    ImportError
        If the package tokenizers is not installed.
    ValueError
        If the files ask for what is not done here, or a tensor is not there or has another shape than the others imply;
        it is named.
    """
    folder = Path(folder)
    config = _settings(folder / "config.json", NUMBERS)
    _hold("config.json", ASKED, {name: config.get(name, value) for name, value in ASKED.items()})
    modules = tuple(module["type"].rpartition(".")[2] for module in _json(folder / "modules.json"))
    _hold("modules.json", {"modules": MODULES}, {"modules": modules})
    pooling = _settings(folder / "1_Pooling" / "config.json", ())
    mean = "pooling_mode_mean_tokens"
    asked = {name: name == mean for name in (mean, *pooling) if name.startswith("pooling_mode_")}
    _hold("1_Pooling/config.json", asked, pooling)
    parameters = _parameters(folder / "model.safetensors", np.dtype(dtype))
    _check(parameters, expected_shapes(config))
    around = _settings(folder / "sentence_bert_config.json", ("max_seq_length",))
    _hold("sentence_bert_config.json", {"do_lower_case": False}, {"do_lower_case": False} | around)
    tokenizer = _tokenizer(folder, around["max_seq_length"])
    if tokenizer.get_vocab_size() > config["vocab_size"]:
        known = config["vocab_size"]
        raise ValueError(f"tokenizer.json must have at most {known} tokens, got {tokenizer.get_vocab_size()}")
    return SentenceEncoder(parameters, config["num_attention_heads"], config["layer_norm_eps"], tokenizer)


def expected_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter that `factorattn.model.bert` reads, from what config.json says."""
    c, hidden = config["hidden_size"], config["intermediate_size"]
    tables = {
        "word": config["vocab_size"],
        "position": config["max_position_embeddings"],
        "token_type": config["type_vocab_size"],
    }
    shapes: dict[str, tuple[int, ...]] = {
        f"embeddings.{name}_embeddings.weight": (rows, c) for name, rows in tables.items()
    }
    norms = ["embeddings.LayerNorm"]
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}."
        norms += [f"{layer}attention.output.LayerNorm", f"{layer}output.LayerNorm"]
        names = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")
        linear = dict.fromkeys(names, (c, c)) | {"intermediate.dense": (hidden, c), "output.dense": (c, hidden)}
        for name, shape in linear.items():
            shapes |= {f"{layer}{name}.weight": shape, f"{layer}{name}.bias": shape[:1]}
    for norm in norms:
        shapes |= {f"{norm}.weight": (c,), f"{norm}.bias": (c,)}
    return shapes


def _check(parameters: dict[str, Any], shapes: dict[str, tuple[int, ...]]) -> None:
    """ValueError unless there is every tensor, each of its shape, and no further layer."""
    for name, shape in shapes.items():
        if name not in parameters:
            raise ValueError(f"model.safetensors must hold {name} of shape {shape}; it is not there")
        if tuple(parameters[name].shape) != shape:
            raise ValueError(f"{name} must have shape {shape}, got {tuple(parameters[name].shape)}")
    if layers_of(parameters) > layers_of(shapes):
        raise ValueError(f"model.safetensors must hold {layers_of(shapes)} layers, got {layers_of(parameters)}")


def _parameters(path: Path, dtype: np.dtype) -> dict[str, np.ndarray]:
    """All floating tensors of a file; what else there is are position numbers, which are counted instead."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if dtype.kind != "f":
        raise ValueError(f"dtype must be real floating, got {dtype}")
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path.name} is damaged: {error}") from None
    return {name: x.astype(dtype, copy=False) for name, x in tensors.items() if x.dtype.kind == "f"}


def _tokenizer(folder: Path, longest: int) -> Any:
    try:
        from tokenizers import Tokenizer
    except ModuleNotFoundError as error:
        raise ImportError("a sentence encoder needs the package tokenizers: pip install tokenizers") from error
    text = (folder / "tokenizer.json").read_text(encoding="utf-8")
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the package raises nothing more special
        raise ValueError(f"tokenizer.json is damaged: {error}") from None
    tokenizer.enable_truncation(longest)
    tokenizer.no_padding()
    return tokenizer


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name} is damaged: {error}") from None


def _settings(path: Path, numbers: tuple[str, ...]) -> dict[str, Any]:
    """What a file sets by name; some of it are numbers."""
    found = _json(path)
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} must hold names and values, got {found!r:.80}")
    for name in numbers:
        if not isinstance(found.get(name), (int, float)) or isinstance(found[name], bool):
            raise ValueError(f"{path.name}: {name} must be a number, got {found.get(name)!r}")
    return found


def _hold(file: str, wanted: dict[str, Any], got: dict[str, Any]) -> None:
    for name, value in wanted.items():
        if got.get(name) != value:
            raise ValueError(f"{file}: {name} must be {value!r}, got {got.get(name)!r}")
