"""Arguments made variables, and cotangents of results brought back to them: what `gradient` is made of."""

import array_api_compat

from factorattn.interpret.gradient_array import Array
from factorattn.interpret.gradient_namespace import over
from factorattn.interpret.gradient_record import Node, levels, sweep
from factorattn.interpret.tree import tree_leaves, tree_map

__all__ = [
    "chosen_of",
    "clean",
    "deeper",
    "described",
    "floats",
    "namespace_of",
    "over_of",
    "pulled_back",
    "recorded",
    "value_of",
]

FLOATING = ("real floating", "complex floating")


def recorded(f, primals, has_aux):
    """Call a function on variables: its result, the rest of it, where the result came from, and the variables."""
    level, inputs = next(levels), []

    def variable(x):
        xp = over_of(x)
        if not floats(x):
            return xp.constant(x)
        node = Node(xp if isinstance(x, Array) else xp.base, (x,))
        inputs.append(node)
        return Array(x, xp, level, (node, 0))

    out = f(*tree_map(variable, primals))
    out, aux = out if has_aux else (out, None)
    links = tree_map(lambda x: _Link(x, level), out)
    return tree_map(lambda x: value_of(x, level), out), tree_map(lambda x: value_of(x, level), aux), links, inputs


class _Link:
    """Where an output came from; a leaf of a tree."""

    def __init__(self, x, level):
        self.dtype, self.link = x.dtype, x.link if isinstance(x, Array) and x.level == level else None


def pulled_back(out, cotangent, links, inputs, primals, *, keep):
    seeds = []

    def seed(x, link, g):
        if link.link is None:
            return
        if g is None or tuple(g.shape) != tuple(x.shape) or g.dtype != x.dtype:
            raise ValueError(f"a cotangent must be like its output, {described(x)}, got {described(g)}")
        seeds.append((link.link, g))

    tree_map(seed, out, links, cotangent)
    if not keep:
        tree_map(_forget, links)
    found = iter(sweep(seeds, inputs, keep=keep))

    def pulled(x):
        if not floats(x):
            return None
        g = next(found)
        return namespace_of(x).zeros_like(x) if g is None else clean(g)

    return tree_map(pulled, primals)


def _forget(link):
    link.link = None


def chosen_of(f, chosen, args):
    """The arguments to differentiate by, and the function of them alone."""
    for number in chosen:
        if not -len(args) <= number < len(args):
            raise ValueError(f"argnums must be positions of the {len(args)} arguments, got {number}")
    places = [number % len(args) for number in chosen]

    def whole(*primals):
        some = next(x for x in tree_leaves(primals) if isinstance(x, Array))._xp
        rest = tree_map(lambda x: x if isinstance(x, Array) else some.constant(x), tuple(args))
        filled = list(rest)
        for place, primal in zip(places, primals, strict=True):
            filled[place] = primal
        return f(*filled)

    return tuple(args[place] for place in places), whole


def deeper(x, values):
    """Whether an array takes part in a derivative that none of the values does."""
    return x.level > max((v.level for v in values if isinstance(v, Array)), default=0)


def floats(x):
    return namespace_of(x).isdtype(x.dtype, FLOATING)


def namespace_of(x):
    return x._xp if isinstance(x, Array) else array_api_compat.array_namespace(x)


def over_of(x):
    """The namespace that differentiates arrays like x."""
    return x._xp if isinstance(x, Array) else over(array_api_compat.array_namespace(x))


def value_of(x, level):
    """An output as the caller knows it."""
    return clean(x.value if isinstance(x, Array) and x.level == level else x)


def clean(x):
    """A constant is an array of its library."""
    return x.value if isinstance(x, Array) and not x.level else x


def described(x):
    return f"shape {tuple(x.shape)} and dtype {x.dtype}" if hasattr(x, "dtype") else repr(x)[:80]
