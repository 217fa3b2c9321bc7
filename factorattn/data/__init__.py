"""Real input, embedded in the package; nothing is downloaded.

`load_minilm`
    Queries, keys and values of two heads of the Transformer all-MiniLM-L6-v2 (Apache-2.0) over 8,192 tokens of Jane
    Austen's "Pride and Prejudice" (public domain).
`load_cdnow`
    The 69,659 purchases of 23,570 customers of the CD shop CDNOW, 1997-1998 (from the package lifetimes, MIT).

``LICENCES.md`` beside this file has the notices; ``tools/make_minilm.py`` and ``tools/make_cdnow.py`` in the repository
make the files.
"""

from factorattn.data.cdnow import Cdnow, Purchases, load_cdnow
from factorattn.data.minilm import Qkv, load_minilm

__all__ = ["Cdnow", "Purchases", "Qkv", "load_cdnow", "load_minilm"]
