"""The Transformer token by token, from Vaswani et al. 2017, sections 3.1 to 3.5; plain Python numbers and loops.

Parameters are nested dicts and lists of nested lists; ``seen(i, j)`` says whether token i may ask token j.
"""

import math


def encoder(parameters, x, *, heads, seen, norm="post", activation="relu", epsilon=1e-5):
    """Tokens [i][feature] after all layers."""
    for layer in parameters["layers"]:
        x = encoder_layer(layer, x, heads=heads, seen=seen, norm=norm, activation=activation, epsilon=epsilon)
    return [normalised(row, parameters["norm"], epsilon) for row in x] if norm == "pre" else x


def encoder_layer(layer, x, *, heads, seen, norm, activation, epsilon):
    told = {"norm": norm, "epsilon": epsilon}
    x = residual(lambda y: multihead(layer["attention"], y, y, heads, seen), x, layer["attention_norm"], **told)
    return residual(lambda y: feed(layer["feed_forward"], y, activation), x, layer["feed_forward_norm"], **told)


def decoder(parameters, x, memory, *, heads, seen, seen_memory, norm="post", activation="relu", epsilon=1e-5):
    """Tokens [i][feature] after all layers, each of which also asks the memory."""
    told = {"norm": norm, "epsilon": epsilon}
    for layer in parameters["layers"]:
        own, cross, last = (layer[name] for name in ("attention", "cross_attention", "feed_forward"))
        norms = [layer.get(f"{name}_norm") for name in ("attention", "cross_attention", "feed_forward")]
        x = residual(lambda y, w=own: multihead(w, y, y, heads, seen), x, norms[0], **told)
        x = residual(lambda y, w=cross: multihead(w, y, memory, heads, seen_memory), x, norms[1], **told)
        x = residual(lambda y, w=last: feed(w, y, activation), x, norms[2], **told)
    return [normalised(row, parameters["norm"], epsilon) for row in x] if norm == "pre" else x


def residual(f, x, gains, *, norm, epsilon):
    """Post-LN: N(x + f(x)); pre-LN: x + f(N(x)) (Xiong et al. 2020)."""
    if norm == "pre":
        return [added(row, out) for row, out in zip(x, f([normalised(row, gains, epsilon) for row in x]), strict=True)]
    return [normalised(added(row, out), gains, epsilon) for row, out in zip(x, f(x), strict=True)]


def multihead(parameters, x, y, heads, seen):
    """MultiHead(x, y, y) = Concat(head_1, ..., head_h) W^O of section 3.2.2, with biases."""
    q = [linear(row, parameters["query"]) for row in x]
    k, v = ([linear(row, parameters[name]) for row in y] for name in ("key", "value"))
    d, found = len(q[0]) // heads, []
    for i in range(len(x)):
        together = []
        for head in range(heads):
            own = range(head * d, (head + 1) * d)
            e = {j: math.exp(sum(q[i][a] * k[j][a] for a in own) / math.sqrt(d)) for j in range(len(y)) if seen(i, j)}
            together += [sum(e[j] * v[j][a] for j in e) / sum(e.values()) if e else 0.0 for a in own]
        found.append(linear(together, parameters["output"]))
    return found


def feed(parameters, x, activation):
    """FFN(x) = max(0, x W_1 + b_1) W_2 + b_2: equation 2."""
    act = (lambda t: max(t, 0.0)) if activation == "relu" else (lambda t: t * (1 + math.erf(t / math.sqrt(2))) / 2)
    return [linear([act(t) for t in linear(row, parameters["in"])], parameters["out"]) for row in x]


def embedded(table, ids, *, scale=True):
    """sqrt(c) times the rows of a table, and the sinusoids of section 3.5."""
    c = len(table[0])
    factor = math.sqrt(c) if scale else 1.0
    return [[factor * table[id_][a] + sinusoid(place, a, c) for a in range(c)] for place, id_ in enumerate(ids)]


def sinusoid(place, a, c):
    angle = place / 10000 ** (2 * (a // 2) / c)
    return math.cos(angle) if a % 2 else math.sin(angle)


def transformer(parameters, source, target, *, heads, norm="post", source_length=None):
    """Logits [i][token of the target], with one table for both and for the last layer, too (section 3.4)."""
    table = parameters["target"]["tokens"]["weight"]
    length = len(source) if source_length is None else source_length
    memory = encoder(
        parameters["encoder"], embedded(table, source), heads=heads, seen=lambda i, j: j < length, norm=norm
    )
    x = decoder(
        parameters["decoder"],
        embedded(table, target),
        memory,
        heads=heads,
        seen=lambda i, j: j <= i,
        seen_memory=lambda i, j: j < length,
        norm=norm,
    )
    return [[sum(a * b for a, b in zip(row, other, strict=True)) for other in table] for row in x]


def linear(row, layer):
    return [sum(w * t for w, t in zip(out, row, strict=True)) + b for out, b in zip(*layer.values(), strict=True)]


def normalised(row, gains, epsilon):
    mean = sum(row) / len(row)
    variance = sum((t - mean) ** 2 for t in row) / len(row)
    return [
        g * (t - mean) / math.sqrt(variance + epsilon) + b
        for t, g, b in zip(row, gains["weight"], gains["bias"], strict=True)
    ]


def added(a, b):
    return [s + t for s, t in zip(a, b, strict=True)]
