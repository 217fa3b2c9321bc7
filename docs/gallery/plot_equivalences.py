"""
Which mechanisms are which
==========================

A mechanism at the end of its range is another one: every line is an equivalence that a test holds to rounding. The
list that the tests run through is the list that is drawn.
"""

import matplotlib.pyplot as plt
import networkx as nx

from factorattn import CATALOGUE, family
from factorattn.testing.equivalences import EQUIVALENCES

graph = nx.Graph()
for edge in EQUIVALENCES:
    if edge.left != edge.right:
        graph.add_edge(edge.left, edge.right)

# %%
# A colour is a family. Scores, distributions and plain functions are grey.

families = sorted({family(f) for f in CATALOGUE.values()})
colours = dict(zip(families, plt.get_cmap("tab10").colors, strict=False))


def colour(name):
    """The colour of a node."""
    return colours[family(CATALOGUE[name])] if name in CATALOGUE else "0.75"


place = nx.kamada_kawai_layout(graph)
figure, axes = plt.subplots(figsize=(13, 11), layout="constrained")
nx.draw_networkx_edges(graph, place, ax=axes, edge_color="0.8")
nx.draw_networkx_nodes(graph, place, ax=axes, node_size=140, node_color=[colour(name) for name in graph])
labels = {name: name.removesuffix("_attention").replace("_", " ") for name in graph}
for name, (x, y) in place.items():
    axes.annotate(labels[name], (x, y), xytext=(0, 8), textcoords="offset points", ha="center", fontsize=8)
for name in families:
    axes.scatter([], [], color=colours[name], label=name)
axes.legend(loc="upper left", frameon=False, title="family")
axes.set_axis_off()
plt.show()

# %%
# Softmax attention is where most ways end: it is what the others approximate or replace.

print(f"{len(EQUIVALENCES)} equivalences between {graph.number_of_nodes()} names")
