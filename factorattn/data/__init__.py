"""Real input, embedded in the package; nothing is downloaded.

`load_minilm`
    Queries, keys and values of two heads of the Transformer all-MiniLM-L6-v2 (Apache-2.0) over 8,192 tokens of Jane
    Austen's "Pride and Prejudice" (public domain).
`load_cdnow`
    The 69,659 purchases of 23,570 customers of the CD shop CDNOW, 1997-1998 (from the package lifetimes, MIT).
`load_sentences`
    427 sentences from the 61 chapters of the same novel, and pairs of them, near and far.

``LICENCES.md`` beside this file has the notices; ``tools/make_minilm.py``, ``tools/make_cdnow.py`` and
``tools/make_sentences.py`` in the repository make the files.
"""

from factorattn.data.cdnow import Cdnow, Purchases, load_cdnow
from factorattn.data.minilm import Qkv, load_minilm
from factorattn.data.sentences import Sentences, load_sentences

__all__ = ["Cdnow", "Purchases", "Qkv", "Sentences", "load_cdnow", "load_minilm", "load_sentences"]
