"""Tucker approximations as projections of the tensor along each mode (De Lathauwer et al. 2000)."""

from oracles.factor.modes import projected, triplets, unfolding


def leading(t, modes, k, rank):
    """The leading left singular vectors of the k-th unfolding."""
    return [u for _, u, _ in triplets(unfolding(t, modes, k), rank)]


def hosvd(t, modes, ranks):
    """Vectors of every mode from the tensor itself, then all projections."""
    vectors = [leading(t, modes, k, rank) for k, rank in enumerate(ranks)]
    for k, of_mode in enumerate(vectors):
        t = projected(t, modes, k, of_mode)
    return t


def sthosvd(t, modes, ranks):
    """Vectors of a mode from what the projections of the modes before have left."""
    for k, rank in enumerate(ranks):
        t = projected(t, modes, k, leading(t, modes, k, rank))
    return t


def hooi(t, modes, ranks, sweeps):
    """Vectors of a mode from the tensor projected along all others, in turn."""
    vectors = [leading(t, modes, k, rank) for k, rank in enumerate(ranks)]
    for _ in range(sweeps):
        for k, rank in enumerate(ranks):
            rest = t
            for other in range(len(modes)):
                if other != k:
                    rest = projected(rest, modes, other, vectors[other])
            vectors[k] = leading(rest, modes, k, rank)
    for k, of_mode in enumerate(vectors):
        t = projected(t, modes, k, of_mode)
    return t
