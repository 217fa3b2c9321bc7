"""
Which mechanisms are which
==========================

A mechanism at the end of its range is another one: every line is an equivalence that a test holds to rounding. The
list that the tests run through is the list that is drawn.
"""

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np

from factorattn import CATALOGUE, family
from factorattn.distribution import DISTRIBUTIONS
from factorattn.position import POSITIONS
from factorattn.score import SCORES
from factorattn.testing.equivalences import EQUIVALENCES

ROOT = "softmax_attention"
graph = nx.Graph()
for edge in EQUIVALENCES:
    if edge.left != edge.right:
        graph.add_edge(edge.left, edge.right)

# %%
# Softmax attention is where most ways end, so it stands in the middle, and each name on the ring of its distance from
# there. A name gets as wide an angle as it has names behind it.


def kind(name):
    """What a node is: a family of mechanisms, or another kind of entry."""
    if name in CATALOGUE:
        return family(CATALOGUE[name])
    kinds = {"score": SCORES, "distribution": DISTRIBUTIONS, "position": POSITIONS}
    return next((word for word, names in kinds.items() if name in names), "plain function")


for part in list(nx.connected_components(graph)):
    if ROOT not in part:  # an island of its own is drawn behind an invisible bridge
        graph.add_edge(ROOT, max(part, key=graph.degree), bridge=True)
tree = nx.bfs_tree(graph, ROOT, sort_neighbors=lambda names: sorted(names, key=lambda name: (kind(name), name)))


def leaves(name):
    """How many ends there are behind a name."""
    return sum(map(leaves, tree[name])) or 1


place = {ROOT: (0.0, 0.0)}


def spread(name, start, stop, ring=1):
    """Place what is behind a name between two angles."""
    share = (stop - start) / leaves(name)
    for child in tree[name]:
        end = start + share * leaves(child)
        place[child] = (ring, (start + end) / 2)
        spread(child, start, end, ring + 1)
        start = end


spread(ROOT, 0, 2 * np.pi)

# %%
# A colour is a family, or a kind.

kinds = sorted({kind(name) for name in graph}, key=lambda word: (word not in map(family, CATALOGUE.values()), word))
colours = dict(zip(kinds, [*plt.get_cmap("tab10").colors, "0.35", "0.5", "0.65", "0.8"], strict=False))
radius = {name: ring + 2 * (ring > 0) for name, (ring, _) in place.items()}  # room for the names of the first ring
at = {name: (radius[name] * np.cos(angle), radius[name] * np.sin(angle)) for name, (_, angle) in place.items()}
shown = [pair for pair in graph.edges if "bridge" not in graph.edges[pair]]

figure, axes = plt.subplots(figsize=(13, 13), layout="constrained")
nx.draw_networkx_edges(graph, at, edgelist=shown, ax=axes, edge_color="0.85")
nx.draw_networkx_nodes(graph, at, ax=axes, node_size=70, node_color=[colours[kind(name)] for name in graph])
for name, (ring, angle) in place.items():
    left = np.cos(angle) < 0
    axes.annotate(
        name.removesuffix("_attention").replace("_", " "),
        at[name],
        xytext=(7 * np.cos(angle), 7 * np.sin(angle)) if ring else (0, 8),
        textcoords="offset points",
        rotation=np.degrees(angle) - 180 * left if ring else 0,
        rotation_mode="anchor",
        ha=("right" if left else "left") if ring else "center",
        va="center" if ring else "bottom",
        fontsize=8,
    )
for word, colour in colours.items():
    axes.scatter([], [], color=colour, label=word)
axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
axes.set_axis_off()
axes.margins(0.1)
axes.set_aspect("equal")
plt.show()

# %%

print(f"{len(EQUIVALENCES)} equivalences between {graph.number_of_nodes()} names")
