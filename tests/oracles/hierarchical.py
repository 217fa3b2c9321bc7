"""Yang et al. 2016, section "Hierarchical Attention": words t of sentence i, then sentences, one number at a time."""

import math


def attend(h, w, b, u):
    """u_t = tanh(W h_t + b), alpha_t = softmax(u_t . u), sum_t alpha_t h_t; zeros where there is no h_t."""
    weights = []
    for row in h:
        hidden = [math.tanh(math.fsum(x * y for x, y in zip(w[a], row, strict=True)) + b[a]) for a in range(len(u))]
        weights.append(math.exp(math.fsum(x * y for x, y in zip(hidden, u, strict=True))))
    total = math.fsum(weights)
    return [math.fsum(p * row[f] for p, row in zip(weights, h, strict=True)) / (total or 1.0) for f in range(len(w[0]))]


def hierarchical_attention(x, w_w, u_w, w_s, u_s, b_w, b_s, *, there=None, encode=lambda s: s):
    """Lists x (s, n, c), w_w (a, c), w_s (f, c), vectors u and b; there[i][t]: whether a word exists; returns (c,)."""
    sentences, real = [], []
    for i, words in enumerate(x):
        kept = [word for t, word in enumerate(words) if there is None or there[i][t]]
        sentences.append(attend(kept, w_w, b_w, u_w))
        real.append(there is None or bool(kept))
    encoded = encode(sentences)
    return attend([h for h, is_there in zip(encoded, real, strict=True) if is_there], w_s, b_s, u_s)
