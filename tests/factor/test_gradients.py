"""Derivatives through every factorization: of the steps that were done, with what was chosen held as it is."""

import numpy as np
import pytest
from libraries import LIBRARIES

from factorattn import factor
from factorattn.factor import FACTORIZATIONS
from factorattn.factor.factored import Factored, times
from factorattn.interpret.gradient import grad, jvp, stop_gradient, vjp
from factorattn.interpret.tree import tree_leaves, tree_map
from factorattn.testing import differences

SHAPES = {
    "any": [(6, 4), (4, 6)],
    "nonnegative": [(6, 4), (4, 6)],
    "square": [(5, 5)],
    "semidefinite": [(5, 5)],
    "tensor": [(4, 3, 5), (4, 5)],
}
DRAWN = {"rank": 2, "rng": 3}
RANDOMIZED = {"oversampling": 1, **DRAWN}

# Options of each. Those that stop by values are differentiated through the rounds that they took.
OPTIONS = {
    "adaptive_svd": [{"tolerance": 0.4, "block": 2, **DRAWN}, {"tolerance": 0.0, "block": 1, "power": 2, **DRAWN}],
    "axial_table": [{"x": 2, "y": 3}],
    "block_diagonal": [{}, {"blocks": 1}],
    "butterfly": [{}, {"permutation": "bit reversal"}],
    "circulant": [{}],
    "cp": [
        {"rank": 2, "iterations": 3},
        {"rank": 2, "iterations": 100, "tolerance": 1e-2},
        {"iterations": 2, "init": "random", **DRAWN},
    ],
    "cur": [
        *({"choose": choose, **DRAWN} for choose in ("adaptive", "pivoted", "deim", "leverage", "norm", "uniform")),
        {"middle": "intersection", **DRAWN},
    ],
    "interpolative": [{"rank": 2}, {"rank": 2, "strong": 1.5}],
    "kronecker": [{"rank": 2}],
    "monarch": [{}],
    "nmf": [
        {"iterations": 3, **DRAWN},
        {"iterations": 3, "solver": "multiplicative", **DRAWN},
        {"iterations": 3, "init": "random", **DRAWN},
        {"iterations": 100, "tolerance": 1e-2, **DRAWN},
    ],
    "nystrom": [DRAWN],
    "qr": [{}],
    "randomized_svd": [{"power": 0, **RANDOMIZED}, RANDOMIZED, {"sketch": "srht", "power": 1, **RANDOMIZED}],
    "robust_pca": [{"iterations": 3}, {"tolerance": 1e-2}],
    "rpcholesky": [DRAWN, {"choose": "greedy", **DRAWN}],
    "rrqr": [{"rank": 2}, {"rank": 2, "strong": 1.5}],
    "tensor_train": [{"rank": 2}, {"rank": None, "tolerance": 0.3}],
    "tensor_train_matrix": [{"rank": 2}],
    "toeplitz": [{}],
    "truncated_svd": [{"rank": 2}, {"rank": 9}],
    "tucker": [*({"rank": 2, "method": m} for m in ("hosvd", "sthosvd", "hooi")), {"rank": None, "tolerance": 0.3}],
}
ONE_SHAPE = {"axial_table": [(6, 4)]}  # what its options fit


def apart(rng, *shape):
    """A matrix whose singular values are 1, 2, ...; a tensor of numbers."""
    if len(shape) > 2:
        return rng.standard_normal(shape)
    k = min(shape)
    left, right = (np.linalg.qr(rng.standard_normal((n, n)))[0][:, :k] for n in shape)
    return (left * np.arange(k, 0, -1.0)) @ right.T


def draw(needs, shape, seed):
    """What is factored: where a matrix must be symmetric, one that has been made so of another."""
    rng = np.random.default_rng(seed)
    if needs == "nonnegative":
        return 0.2 + rng.random(shape)
    return apart(rng, *shape)


def prepared(needs, a):
    return a.mT @ a / 5 if needs == "semidefinite" else a


def floating(tree):
    return [x for x in tree_leaves(tree) if "float" in str(x.dtype)]


CASES = [
    pytest.param(name, shape, options, id=f"{name}-{'x'.join(map(str, shape))}-{i}")
    for name, f in FACTORIZATIONS.items()
    for shape in ONE_SHAPE.get(name, SHAPES[f.record.needs])
    for i, options in enumerate(OPTIONS[name])
]
every_case = pytest.mark.parametrize(("name", "shape", "options"), CASES)


@pytest.fixture
def narrow(monkeypatch):
    """Differences that step over fewer kinks: maxima, shrinkage, entries that turn zero."""
    monkeypatch.setattr(differences, "STEP", 2.0**-16)


def test_every_factorization_is_tried():
    assert sorted(OPTIONS) == sorted(FACTORIZATIONS)


@every_case
def test_factors_and_their_product_and_error(narrow, name, shape, options):
    # Factors by their squares: nothing holds the signs of vectors from one step of a difference to the next.
    needs = FACTORIZATIONS[name].record.needs

    def parts(a):
        f = FACTORIZATIONS[name](prepared(needs, a), **options)
        return [f.to_dense(), f.error_bound, *(x * x for x in floating(f))]

    differences.check_gradients(parts, draw(needs, shape, seed=1))


@every_case
def test_factors_are_what_they_are_without_derivatives(name, shape, options):
    needs = FACTORIZATIONS[name].record.needs
    a = draw(needs, shape, seed=1)
    want = FACTORIZATIONS[name](prepared(needs, a), **options)
    got, pullback = vjp(lambda a: FACTORIZATIONS[name](prepared(needs, a), **options), a)
    assert type(got) is type(want)
    for x, y in zip(floating(got), floating(want), strict=True):
        assert np.max(np.abs(x - y), initial=0.0) <= differences.TOLERANCE * max(np.max(np.abs(y), initial=0.0), 1.0)
    cotangent = tree_map(lambda x: np.zeros_like(x), got)
    np.testing.assert_array_equal(pullback(cotangent)[0], np.zeros(shape))


@pytest.mark.parametrize("library", LIBRARIES[1:])
@pytest.mark.parametrize("name", sorted(FACTORIZATIONS))
def test_it_is_the_same_on_every_library(name, library):
    xp, needs = pytest.importorskip(library), FACTORIZATIONS[name].record.needs
    a = draw(needs, ONE_SHAPE.get(name, SHAPES[needs])[0], seed=1)
    g = np.random.default_rng(2).standard_normal(a.shape)

    def pulled(asarray):
        def dense(a):
            f = FACTORIZATIONS[name](prepared(needs, a), **OPTIONS[name][0])
            return a.__array_namespace__().reshape(f.to_dense(), a.shape)

        return vjp(dense, asarray(a))[1](asarray(g))[0]

    got, want = pulled(xp.asarray), pulled(np.asarray)
    assert str(got.dtype).endswith("float64")
    assert np.max(np.abs(np.asarray(got) - want)) <= differences.TOLERANCE * np.max(np.abs(want))


@pytest.mark.parametrize("name", sorted(FACTORIZATIONS))
def test_what_is_done_with_factors(name):
    """Trained factors: products, rows and the matrix, by each factor and by what it is multiplied with."""
    needs = FACTORIZATIONS[name].record.needs
    shape = ONE_SHAPE.get(name, SHAPES[needs])[0]
    f = FACTORIZATIONS[name](prepared(needs, draw(needs, shape, seed=2)), **OPTIONS[name][0])
    *_, p, q = f.shape
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((q, 3)), rng.standard_normal((3, p))

    def used(f, x, y):
        taken = f.rows(f.__array_namespace__().asarray(np.asarray([p - 1, 0, p - 1])))
        return f @ x, f.matvec(x[:, 0]), times(y, f), f.to_dense(), taken, f.mT.to_dense()

    differences.check_gradients(used, f, x, y)


# Torch goes through the eigenvectors that level a basis, some of them of zeros, and finds NaN.
LOST_BY_TORCH = {("adaptive_svd", (4, 6), 0), ("randomized_svd", (4, 6), 1)}


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore:torch.asarray. unspecified requires_grad")
@every_case
def test_torch_differentiates_the_same_steps_to_the_same(name, shape, options):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: peers)")
    needs = FACTORIZATIONS[name].record.needs

    def dense(a):
        return FACTORIZATIONS[name](prepared(needs, a), **options).to_dense()

    a = torch.tensor(draw(needs, shape, seed=1))
    g = torch.tensor(np.random.default_rng(2).standard_normal(tuple(dense(a).shape)))
    leaf = a.clone().requires_grad_()
    (want,) = torch.autograd.grad(dense(leaf), leaf, g)
    got = vjp(dense, a)[1](g)[0]
    if (name, shape, OPTIONS[name].index(options)) in LOST_BY_TORCH:
        assert torch.isnan(want).any()
        assert torch.isfinite(got).all()
    else:
        assert float((got - want).abs().max()) <= differences.TOLERANCE * float(want.abs().max())


def test_the_best_approximation_has_the_derivative_of_a_projection():
    # Of a matrix of rank r, those of rank r nearby are reached along all directions but (I - U U^T) G (I - V V^T).
    rng = np.random.default_rng(0)
    a, g = rng.standard_normal((7, 2)) @ rng.standard_normal((2, 5)), rng.standard_normal((7, 5))
    svd = factor.truncated_svd(a, 2)
    want = g - (g - svd.u @ (svd.u.T @ g)) @ (np.eye(5) - svd.vt.T @ svd.vt)
    pulled = vjp(lambda a: factor.truncated_svd(a, 2).to_dense(), a)[1](g)[0]
    pushed = jvp(lambda a: factor.truncated_svd(a, 2).to_dense(), (a,), (g,))[1]
    np.testing.assert_allclose(pulled, want, rtol=0, atol=differences.ROUNDING(np.float64, 35) * np.max(np.abs(g)))
    np.testing.assert_allclose(pushed, want, rtol=0, atol=differences.ROUNDING(np.float64, 35) * np.max(np.abs(g)))


def test_a_basis_wider_than_the_rank_has_no_derivative():
    # Its last directions are rounding. It is told, not guessed.
    rng = np.random.default_rng(0)
    a = rng.standard_normal((9, 2)) @ rng.standard_normal((2, 8))
    for power in (0, 1):
        svd = vjp(lambda a, power=power: factor.randomized_svd(a, 2, oversampling=3, power=power, rng=0).to_dense(), a)
        assert np.all(np.isnan(svd[1](np.ones((9, 8)))[0]))


def test_powers_of_two_are_constant():
    x = np.asarray([[3.0, -1.0], [0.5, 20.0]])
    xp = np
    assert float(factor.door.unit_scale(x, xp=xp)[0, 0]) == 2.0**3
    found = grad(lambda x: factor.door.unit_scale(x, xp=x.__array_namespace__())[0, 0] + 0 * x[0, 0])(x)
    np.testing.assert_array_equal(found, np.zeros((2, 2)))


def test_what_is_refused_says_why():
    bad = np.asarray([[1.0, np.nan], [2.0, 3.0]])
    with pytest.raises(ValueError, match=r"a must be finite, but holds nan at \(0, 1\)"):
        vjp(lambda a: factor.truncated_svd(a, 1).to_dense(), bad)
    with pytest.raises(ValueError, match=r"no negative entries, but its smallest is -2\.0"):
        vjp(lambda a: factor.nmf(a, 1, rng=0).to_dense(), np.asarray([[1.0, -2.0], [2.0, 3.0]]))
    with pytest.raises(TypeError, match=r"float\(x\) would cut x off"):
        vjp(lambda s: s * factor.lowrank.spectrum.rank_for_energy(s, 0.8), np.asarray([3.0, 1.0]))
    kept = vjp(lambda s: s * factor.lowrank.spectrum.rank_for_energy(stop_gradient(s), 0.8), np.asarray([3.0, 1.0]))
    np.testing.assert_array_equal(kept[1](np.ones(2))[0], np.ones(2))


def test_a_rank_for_an_error_is_held():
    # With a tolerance the rank is chosen, and small changes do not change it.
    a = apart(np.random.default_rng(0), 6, 5)
    f, pullback = vjp(lambda a: factor.adaptive_svd(a, 5, tolerance=0.3, block=2, rng=0), a)
    assert isinstance(f, Factored)
    assert f.s.shape == factor.adaptive_svd(a, 5, tolerance=0.3, block=2, rng=0).s.shape
    assert pullback(tree_map(np.ones_like, f))[0].shape == a.shape


# Beside the catalogue: what mechanisms are built of.
X, OMEGA = np.random.default_rng(1).standard_normal((2, 4, 3))
POINTS = np.asarray([-6.1, -2.2, -0.7, -0.2, 0.3, 0.9, 3.1, 5.2])
MU, SIGMA = np.asarray([0.2, 0.7, 0.9]), np.asarray([0.03, 0.3, 0.6])
CENTRES, WIDTHS = factor.radial_grid(5, (0.1, 0.3))


def sketched(draw):
    """Products of a sketch with vectors and their adjoint."""

    def f(xp, x):
        sketch = draw(3, 4, like=x, rng=0)
        return sketch @ x, times(x.mT, sketch.mT)

    return f


def features(f):
    return lambda xp, x, omega: tuple(f(x, omega, xp=xp))


def entrywise(f):
    return lambda xp, x: f(x, xp=xp)


PIECES = {
    **{name: (entrywise(getattr(factor, name)), POINTS) for name in ("erf", "erfc", "upper_tail", "normal_density")},
    **{
        f"{name}_features": (features(getattr(factor, f"{name}_features")), X, OMEGA)
        for name in ("positive", "hyperbolic", "trigonometric")
    },
    "generalized_features": (lambda xp, x, o: tuple(factor.generalized_features(x, o, "relu", 0.1, xp=xp)), X, OMEGA),
    "gaussian_means": (lambda xp, *args: factor.gaussian_means(*args, xp=xp), MU, SIGMA, CENTRES, WIDTHS),
    "parabola_means": (lambda xp, *args: factor.parabola_means(*args, xp=xp), MU, SIGMA, CENTRES, WIDTHS),
    "strided_convolution": (lambda xp, kernel: factor.strided_convolution(kernel, 7, xp=xp), X),
    "hadamard_transform": (lambda xp, x: factor.hadamard_transform(x), X.T.copy()),
    "tensor_sketch": (lambda xp, x: factor.tensor_sketch(5, 3, 2, like=x, rng=0).features(x), X),
    **{
        name: (sketched(getattr(factor, name)), X)
        for name in ("gaussian_sketch", "srht", "sparse_sign", "count_sketch")
    },
    "hadamard_directions": (lambda xp, x: factor.hadamard_directions(5, 4, like=x, rng=0) @ x, X),
    "fastfood_directions": (lambda xp, x: factor.fastfood_directions(5, 4, like=x, rng=0) @ x, X),
    "pseudo_inverse": (lambda xp, x: tuple(factor.pseudo_inverse(x))[:2], apart(np.random.default_rng(0), 4, 3)),
    "iterative_pinv": (lambda xp, x: factor.iterative_pinv(x, 6, xp=xp), apart(np.random.default_rng(0), 4, 3)),
}


@pytest.mark.parametrize("name", sorted(PIECES))
def test_a_piece(name):
    f, *arrays = PIECES[name]

    def on(*xs):
        return f(xs[0].__array_namespace__(), *xs)

    differences.check_gradients(lambda *xs: vjp(on, *xs)[0] if isinstance(xs[0], np.ndarray) else on(*xs), *arrays)
