"""Tensors as flat lists, the last mode fastest, for the oracles of tensors; and the singular vectors of a matrix."""

import itertools
import math

from oracles.lowrank import singular_triplets


def flat(nested):
    """The entries of nested lists, the last axis fastest."""
    return [x for part in nested for x in flat(part)] if isinstance(nested, list) else [nested]


def places(modes):
    """All indices, the last mode fastest."""
    return list(itertools.product(*(range(n) for n in modes)))


def at(index, modes):
    """Where an index lies in the flat list."""
    where = 0
    for i, n in zip(index, modes, strict=True):
        where = where * n + i
    return where


def triplets(m, rank):
    """The leading triplets (s, u, v) of a matrix (list of rows) by Jacobi rotations of its shorter side."""
    if len(m) >= len(m[0]):
        found = singular_triplets(m)
    else:
        turned = [list(column) for column in zip(*m, strict=True)]
        found = [(s, v, u) for s, u, v in singular_triplets(turned)]
    return found[: min(rank, len(m), len(m[0]))]


def unfolding(t, modes, k):
    """The matrix (list of rows) whose rows belong to the indices along mode k."""
    rows = [[] for _ in range(modes[k])]
    for index in places(modes):
        rows[index[k]].append(t[at(index, modes)])
    return rows


def projected(t, modes, k, vectors):
    """The tensor with mode k projected onto orthonormal vectors."""
    out = []
    for index in places(modes):
        total = 0.0
        for v in vectors:
            along = math.fsum(v[i] * t[at((*index[:k], i, *index[k + 1 :]), modes)] for i in range(modes[k]))
            total += v[index[k]] * along
        out.append(total)
    return out
