"""Arguments made variables, and cotangents of results brought back to them: what `gradient` is made of."""

import operator

import array_api_compat

from factorattn.interpret.gradient_array import Array, bare
from factorattn.interpret.gradient_namespace import over
from factorattn.interpret.gradient_record import Node, levels, sweep
from factorattn.interpret.tree import tree_leaves, tree_map

__all__ = [
    "around",
    "aux_apart",
    "chosen_of",
    "described",
    "fitting",
    "floats",
    "known",
    "namespace_of",
    "one_or_all",
    "over_of",
    "pulled_back",
    "recorded",
    "value_of",
]


def recorded(f, primals, has_aux):
    """Call a function on variables: its result, the rest of it, where the result came from, and the variables."""
    level, inputs, outside = next(levels), [], around(primals)

    def variable(x):
        xp = over_of(x)
        if not floats(x):
            return xp.constant(x)
        node = Node(xp if isinstance(x, Array) else xp.base, (x,))
        inputs.append(node)
        return Array(x, xp, level, (node, 0))

    out = f(*tree_map(variable, primals))
    out, aux = aux_apart(out, has_aux)
    links = tree_map(lambda x: _Link(x, level), out)
    out, aux = (tree_map(lambda x: value_of(x, level, outside), part) for part in (out, aux))
    return out, aux, links, inputs


def aux_apart(out, has_aux):
    """What is differentiated of a result, and the rest."""
    if not has_aux:
        return out, None
    if not isinstance(out, (list, tuple)) or len(out) != 2:
        raise TypeError(f"with has_aux, a function must return a pair, got {type(out).__name__}")
    return tuple(out)


class _Link:
    """Where an output came from; a leaf of a tree."""

    def __init__(self, x, level):
        self.dtype, self.link = x.dtype, x.link if isinstance(x, Array) and x.level == level else None


def pulled_back(out, cotangent, links, inputs, primals, *, keep):
    seeds = []

    def seed(x, link, g):
        if link.link is not None:
            seeds.append((link.link, fitting(g, x, "a cotangent must be like its output")))

    tree_map(seed, out, links, cotangent)
    found = iter(sweep(seeds, inputs, keep=keep))

    def pulled(x):
        if not floats(x):
            return None
        g = next(found)
        return namespace_of(x).zeros_like(x) if g is None else known(g, x._xp if isinstance(x, Array) else None)

    return tree_map(pulled, primals)


def chosen_of(f, argnums, args, options):
    """The arguments to differentiate by, and the function of them alone."""
    places = []
    for number in map(operator.index, argnums if isinstance(argnums, (list, tuple)) else (argnums,)):
        if not -len(args) <= number < len(args):
            raise ValueError(f"argnums must be positions of the {len(args)} arguments, got {number}")
        places.append(number % len(args))
        if not any(map(floats, tree_leaves(args[number]))):
            raise TypeError(f"argument {number} must have an array of floating dtype, got {described(args[number])}")
    if len(set(places)) < len(places):
        raise ValueError(f"argnums must name each argument once, got {argnums}")

    def whole(*primals):
        some = next(x for x in tree_leaves(primals) if isinstance(x, Array))._xp
        rest, named = tree_map(some.constant, (tuple(args), options))
        filled = list(rest)
        for place, primal in zip(places, primals, strict=True):
            filled[place] = primal
        return f(*filled, **named)

    return tuple(args[place] for place in places), whole


def one_or_all(found, argnums):
    """What belongs to the arguments, as they were asked for: a tuple, where a sequence of them was."""
    return found if isinstance(argnums, (list, tuple)) else found[0]


def floats(x):
    return over_of(x).floats(x.dtype)


def namespace_of(x):
    return x._xp if isinstance(x, Array) else array_api_compat.array_namespace(x)


def over_of(x):
    """The namespace that differentiates arrays like x."""
    return x._xp if isinstance(x, Array) else over(array_api_compat.array_namespace(x))


def around(tree):
    """The namespace of arrays in a tree that take part in a derivative further out; None if there are none."""
    return next((x._xp for x in tree_leaves(tree) if isinstance(x, Array)), None)


def value_of(x, level, outside):
    """An output as the caller knows it."""
    return known(x.value if isinstance(x, Array) and x.level == level else x, outside)


def known(x, outside):
    """A constant stays an array of the namespace that the arguments came in, and is bare if they were."""
    if outside is not None:
        return outside.constant(x)
    return bare(x) if isinstance(x, Array) and not x.level else x


def fitting(g, x, expected):
    """A cotangent or tangent, held against what it belongs to; a number will do where that has shape ()."""
    if isinstance(g, (int, float, complex)) and not hasattr(g, "dtype") and not tuple(x.shape):
        return namespace_of(x).asarray(g, dtype=x.dtype, device=array_api_compat.device(x))
    if not hasattr(g, "dtype") or tuple(g.shape) != tuple(x.shape) or g.dtype != x.dtype:
        raise ValueError(f"{expected}, {described(x)}, got {described(g)}")
    return g


def described(x):
    """What an array looks like; of anything else, how it begins, in one line."""
    return f"shape {tuple(x.shape)} and dtype {x.dtype}" if hasattr(x, "dtype") else " ".join(repr(x).split())[:80]
