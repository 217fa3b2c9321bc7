"""Random matrices that keep inner products on average, and products with them in less than dense time."""

from factorattn.factor.sketch.count_sketch import count_sketch
from factorattn.factor.sketch.directions import fastfood_directions, hadamard_directions
from factorattn.factor.sketch.gaussian_sketch import gaussian_sketch
from factorattn.factor.sketch.hadamard_transform import hadamard_transform
from factorattn.factor.sketch.kinds import Hadamard, Scatter, Selection, Sketch
from factorattn.factor.sketch.sparse_sign import sparse_sign
from factorattn.factor.sketch.srht import srht
from factorattn.factor.sketch.tensor_sketch import TensorSketch, tensor_sketch

__all__ = [
    "SKETCHES",
    "Hadamard",
    "Scatter",
    "Selection",
    "Sketch",
    "TensorSketch",
    "count_sketch",
    "fastfood_directions",
    "gaussian_sketch",
    "hadamard_directions",
    "hadamard_transform",
    "sparse_sign",
    "srht",
    "tensor_sketch",
]

SKETCHES = {"gaussian": gaussian_sketch, "srht": srht, "sparse_sign": sparse_sign, "count": count_sketch}
