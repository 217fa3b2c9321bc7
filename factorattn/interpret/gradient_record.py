"""The record of what was computed, swept back; and the same rules turned round, to push tangents forward.

    rule(xp, x, y) = out, (pull_x, pull_y)      pull_x(g) = g d out / d x

A pull is linear in g, so its transpose is the derivative forward: t -> (d out / d x) t. It is found by differentiating
the pull itself, so that one rule serves both directions, and the two cannot disagree.
"""

import heapq
import inspect
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import array_api_compat

from factorattn.interpret.gradient_array import Array, bare, has_levels

__all__ = ["Node", "apply", "levels", "sweep"]

_order = itertools.count()  # of nodes: a node comes after those that it was made of
levels = itertools.count(1)  # of derivatives: what is taken later lies inside


class Node:
    """One call in the record: which nodes its inputs came from, and how cotangents are pulled back to them.

    Attributes
    ----------
    outputs : sequence of (shape, dtype, device)
        Of several outputs, for zeros where no cotangent arrives; a single one always gets its own.
    parents : sequence of (Node, int)
        For each input that is differentiated: the node that made it, and which of its outputs it is.
    pull : callable or None
        From cotangents of the outputs, and a namespace, to those of the parents; None at a variable.
    xp : namespace
        That the pull was made for.
    """

    __slots__ = ("order", "outputs", "parents", "pull", "xp")

    def __init__(self, xp: Any, outputs: Sequence[Any], parents: Sequence[tuple["Node", int]] = (), pull: Any = None):
        self.xp, self.parents, self.pull, self.order = xp, parents, pull, next(_order)
        self.outputs = tuple(map(_described, outputs)) if len(outputs) > 1 else (None,)


def apply(
    xp: Any, rule: Callable, args: Sequence[Any], options: dict[str, Any], *, below: Callable | None = None
) -> Any:
    """Call a rule on arrays of any level: on the values of the topmost one, of which the outputs are.

    Parameters
    ----------
    xp : GradientNamespace
    rule : callable
        ``rule(xp, *args, **options)`` returns the output, or a tuple of outputs, and the pulls: a sequence with one for
        each positional argument (or member of an argument that is a list), called as ``pull(g, xp)``; or one callable
        that gives the cotangents of all. Several outputs have several cotangents g, in a tuple.
    args : sequence
        All that may be differentiated.
    options : dict
    below : callable, optional
        The function itself, for arguments that are all constant.
    """
    if options:
        args, options = _by_position(rule, xp, args, options)
    slots, level = _slots(args)
    if not level:
        args = [bare(x) for x in args]
        out = rule(xp.base, *args, **options)[0] if below is None else below(*args, **options)
        return _each(lambda x, _: Array(x, xp), out)
    active = [i for i, x in enumerate(slots) if isinstance(x, Array) and x.level == level]
    links = [slots[i].link for i in active]
    args = [_lowered(x, level) for x in args]
    if xp.alone or _slots(args)[1]:
        inside, args = xp, [_lifted(x, xp) for x in args]
    else:
        inside, args = xp.base, [bare(x) for x in args]
    out, pulls = rule(inside, *args, **options)
    del args, slots  # the pulls keep what they need
    pull, outs = _joint(pulls, active), out if isinstance(out, tuple) else (out,)
    if isinstance(links[0], tuple):
        node = Node(inside, outs, links, pull)
        found = [(node, i) for i in range(len(outs))]
    else:
        found = _pushed(pull, outs, links, inside, xp)
    return _each(lambda x, i: Array(x, xp, level, found[i]) if xp.floats(x.dtype) else xp.constant(x), out)


def _by_position(rule, xp, args, options):
    """Arrays that are differentiated stand among the arguments, also if they were given by name; others are bare."""
    if any(isinstance(x, Array) and x.level for x in options.values()):
        bound = inspect.signature(rule).bind(xp, *args, **options)
        bound.apply_defaults()
        args, options = bound.args[1:], bound.kwargs
        for name, x in options.items():
            if isinstance(x, Array) and x.level:
                raise TypeError(f"{name} cannot be differentiated: it must be constant")
    return args, {name: bare(x) for name, x in options.items()}


def _slots(args):
    """Arguments one by one, with the members of lists of arrays; and the topmost level."""
    slots: list[Any] = []
    level = 0
    for x in args:
        if isinstance(x, Array):
            slots.append(x)
            if x.level > level:
                level = x.level
        elif isinstance(x, (list, tuple)) and any(isinstance(part, Array) for part in x):
            slots.extend(x)
            level = max(level, _slots(x)[1])
        else:
            slots.append(x)
    return slots, level


def _lowered(x, level):
    if isinstance(x, Array):
        return x.value if x.level == level else x
    if isinstance(x, (list, tuple)) and any(isinstance(part, Array) for part in x):
        return type(x)(_lowered(part, level) for part in x)
    return x


def _lifted(x, xp):
    if isinstance(x, (list, tuple)):
        return type(x)(_lifted(part, xp) for part in x)
    return xp.constant(x) if array_api_compat.is_array_api_obj(x) else x


def _joint(pulls, active):
    """The pulls of those inputs that are differentiated, as one."""
    if callable(pulls):
        return lambda gs, xp: [found[i] for found in (pulls(gs if len(gs) > 1 else gs[0], xp),) for i in active]
    chosen = [pulls[i] for i in active]
    return lambda gs, xp: [pull and pull(gs if len(gs) > 1 else gs[0], xp) for pull in chosen]


def _each(f, out):
    if not isinstance(out, tuple):
        return f(out, 0)
    parts = [f(x, i) for i, x in enumerate(out)]
    return type(out)(*parts) if hasattr(out, "_fields") else tuple(parts)  # svd(a).S


def sweep(seeds: Sequence[tuple[tuple[Node, int], Any]], sources: Sequence[Node], *, keep: bool) -> list[Any]:
    """Pull cotangents back from outputs to variables.

    Parameters
    ----------
    seeds : sequence of (link, cotangent)
    sources : sequence of Node
        The variables.
    keep : bool
        Whether the record may be swept again. If not, each node lets go of what it holds as soon as it was used.

    Returns
    -------
    list of array or None
        The cotangents of the variables; None where none arrived.
    """
    held: dict[int, tuple[Node, list[Any]]] = {}
    heap: list[int] = []  # orders, negative: the youngest comes first

    def give(link, g):
        (node, index), at = link, link[0].order
        if at not in held:
            held[at] = node, [None] * len(node.outputs)
            heapq.heappush(heap, -at)
        gs = held[at][1]
        before = gs[index]
        if before is not None:
            g = g + before if isinstance(g, Array) else before + g
        gs[index] = g

    for link, g in seeds:
        give(link, g)
    while heap:
        at = -heapq.heappop(heap)
        node, gs = held[at]
        if node.pull is None:
            continue
        del held[at]
        xp = next((g._xp for g in gs if isinstance(g, Array)), node.xp)
        filled = tuple(_zeros(output, xp) if g is None else g for g, output in zip(gs, node.outputs, strict=True))
        if has_levels(xp):  # a namespace of levels: cotangents are arrays of it
            filled = tuple(map(xp.constant, filled))
        parents, pulled = node.parents, node.pull(filled, xp)
        if not keep:
            node.parents, node.pull = (), None
        del gs, filled
        while pulled:
            g = pulled.pop()
            if g is not None:
                give(parents[len(pulled)], g)
    return [held[source.order][1][0] if source.order in held else None for source in sources]


def _described(x):
    return x.shape, x.dtype, array_api_compat.device(x)


def _zeros(output, xp):
    shape, dtype, device = output
    return xp.zeros(shape, dtype=dtype, device=device)


def _pushed(pull, outs, tangents, inside, xp):
    """Tangents of the outputs: the transpose of a pull, applied to tangents of inputs."""
    level, sources = next(levels), [Node(inside, (x,)) for x in outs]
    zeros = [_zeros(_described(x), inside) for x in outs]
    cotangents = tuple(Array(x, xp, level, (source, 0)) for x, source in zip(zeros, sources, strict=True))
    pulled = pull(cotangents, xp)
    seeds = [(x.link, t) for x, t in zip(pulled, tangents, strict=True) if isinstance(x, Array) and x.level == level]
    found = sweep(seeds, sources, keep=False)
    return [x if g is None else g for g, x in zip(found, zeros, strict=True)]
