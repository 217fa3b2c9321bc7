"""BERT's encoder, token by token, from Devlin et al. 2019 and Vaswani et al. 2017; plain Python numbers and loops."""

import math


def bert(parameters, ids, *, heads, mask=None, types=None, epsilon=1e-12):
    """Vectors [text][token][feature] of ids [text][token], from parameters as nested lists by name."""
    found = []
    for text, row in enumerate(ids):
        seen = [True] * len(row) if mask is None else mask[text]
        kinds = [0] * len(row) if types is None else types[text]
        found.append(encode(parameters, row, seen, kinds, heads, epsilon))
    return found


def encode(parameters, row, seen, kinds, heads, epsilon):
    words, places, sorts = (parameters[f"embeddings.{name}_embeddings.weight"] for name in TABLES)
    x = [
        norm(added(added(words[word], places[at]), sorts[kind]), parameters, "embeddings.LayerNorm", epsilon)
        for at, (word, kind) in enumerate(zip(row, kinds, strict=True))
    ]
    layer = 0
    while f"encoder.layer.{layer}.output.dense.weight" in parameters:
        name = f"encoder.layer.{layer}"
        mixed = attend(parameters, x, seen, heads, f"{name}.attention.self")
        for at, token in enumerate(x):
            out = linear(mixed[at], parameters, f"{name}.attention.output.dense")
            token = norm(added(token, out), parameters, f"{name}.attention.output.LayerNorm", epsilon)
            hidden = [gelu(y) for y in linear(token, parameters, f"{name}.intermediate.dense")]
            out = linear(hidden, parameters, f"{name}.output.dense")
            x[at] = norm(added(token, out), parameters, f"{name}.output.LayerNorm", epsilon)
        layer += 1
    return x


TABLES = ("word", "position", "token_type")


def attend(parameters, x, seen, heads, name):
    """For every token, what the heads see, one head behind the other."""
    q, k, v = ([linear(token, parameters, f"{name}.{part}") for token in x] for part in ("query", "key", "value"))
    size = len(q[0]) // heads
    found = []
    for i in range(len(x)):
        joined = []
        for head in range(heads):
            own = range(head * size, (head + 1) * size)
            logits = {j: sum(q[i][a] * k[j][a] for a in own) / math.sqrt(size) for j in range(len(x)) if seen[j]}
            total = sum(math.exp(logit) for logit in logits.values())
            joined += [sum(math.exp(logits[j]) / total * v[j][a] for j in logits) for a in own]
        found.append(joined)
    return found


def linear(token, parameters, name):
    weight, bias = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
    return [sum(w * t for w, t in zip(row, token, strict=True)) + b for row, b in zip(weight, bias, strict=True)]


def norm(token, parameters, name, epsilon):
    mean = sum(token) / len(token)
    variance = sum((t - mean) ** 2 for t in token) / len(token)
    gain, bias = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
    return [g * (t - mean) / math.sqrt(variance + epsilon) + b for t, g, b in zip(token, gain, bias, strict=True)]


def gelu(x):
    return x * (1 + math.erf(x / math.sqrt(2))) / 2


def added(x, y):
    return [a + b for a, b in zip(x, y, strict=True)]
