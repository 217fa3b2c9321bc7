"""Tay et al. 2020: blocks of keys are sorted softly by a balanced matrix, one block and one pair at a time."""

import math


def blocks_of(n, block):
    """The positions of each block; the last may be shorter."""
    return [list(range(start, min(start + block, n))) for start in range(0, n, block)]


def mean_scores(q, k, *, block, causal, scale):
    """R_ij = scale (mean query of block i) . (mean key of block j); causal: the mean query up to the block's first."""
    blocks, d = blocks_of(len(q), block), len(q[0])
    scores = []
    for block_i in blocks:
        mine = range(block_i[0] + 1) if causal else block_i
        mean = [math.fsum(q[i][a] for i in mine) / len(mine) for a in range(d)]
        scores.append([scale * sum(mean[a] * math.fsum(k[j][a] for j in b) / len(b) for a in range(d)) for b in blocks])
    return scores


def network_scores(x, w_p, w_b, b_p, b_b, *, block, causal):
    """R_i = relu(relu(sum of block i W_P + b_P) W_B + b_B)."""
    blocks, d = blocks_of(len(x), block), len(x[0])
    scores = []
    for block_i in blocks:
        mine = range(block_i[0] + 1) if causal else block_i
        total = [math.fsum(x[i][a] for i in mine) for a in range(d)]
        hidden = [max(0.0, sum(total[a] * w_p[a][f] for a in range(d)) + b_p[f]) for f in range(len(b_p))]
        out = [max(0.0, sum(h * w_b[f][t] for f, h in enumerate(hidden)) + b_b[t]) for t in range(len(b_b))]
        scores.append(out[: len(blocks)])
    return scores


def balance(scores, *, iterations, temperature, causal):
    """S^0 = exp(R / temperature), then rows and columns in turn; causal: j < i, and a column summed down to its row."""
    t = len(scores)
    s = [[math.exp(scores[i][j] / temperature) if not causal or j < i else 0.0 for j in range(t)] for i in range(t)]
    for _ in range(iterations):
        s = [[x / (math.fsum(row) or 1.0) for x in row] for row in s]
        below = [[math.fsum(s[z][j] for z in range(i + 1 if causal else t)) or 1.0 for j in range(t)] for i in range(t)]
        s = [[s[i][j] / below[i][j] for j in range(t)] for i in range(t)]
    return s


def sinkhorn_attention(
    q, k, v, scores=None, *, block, iterations, temperature, causal=False, cut=None, local="joint", scale=None
):
    """Lists q, k (n, d), v (n, e), scores (t, t); returns o (n, e)."""
    n, d, e = len(q), len(q[0]), len(v[0])
    scale = 1 / math.sqrt(d) if scale is None else scale
    if scores is None:
        scores = mean_scores(q, k, block=block, causal=causal, scale=scale)
    s = balance(scores, iterations=iterations, temperature=temperature, causal=causal)
    size = min(block, n)

    def mixed(x, i, c):
        """The row c of sorted block i: what lies behind the end counts as zeros."""
        at = [(s[i][j], j * size + c) for j in range(len(s)) if j * size + c < n]
        return [math.fsum(w * x[place][a] for w, place in at) for a in range(len(x[0]))]

    outputs = []
    for i in range(n):
        mine = i // size
        places = range(min(cut, len(s))) if cut else [mine] if mine or not causal else []
        near = [(mixed(k, z, c), mixed(v, z, c)) for z in places for c in range(size)]
        own = [(k[j], v[j]) for j in range(n) if j // size == mine and not (causal and j > i)]
        answers = []
        for pairs in {"joint": [near + own], "sum": [near, own], "none": [near]}[local]:
            logits = [scale * sum(q[i][a] * key[a] for a in range(d)) for key, _ in pairs]
            weights = [(math.exp(a - max(logits)), x) for a, (_, x) in zip(logits, pairs, strict=True)]
            total = math.fsum(w for w, _ in weights) or 1.0
            answers.append([math.fsum(w * x[c] for w, x in weights) / total for c in range(e)])
        outputs.append([math.fsum(column) for column in zip(*answers, strict=True)])
    return outputs
