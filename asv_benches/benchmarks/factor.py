"""Every factorization: seconds to factor and to multiply, what is kept, operations, error; spectra fall as 1/k.

A factorization is a class here, as a mechanism is: asv files results by the position of parameters.
"""

import numpy as np

from . import common


class Factorization:
    """Base of the classes below; asv skips a case whose setup raises NotImplementedError."""

    name = None  # asv looks at this class too
    params = ([256, 1024], common.LIBRARIES)
    param_names = ("n", "library")
    timeout = 120

    def setup(self, n, library="numpy"):
        """Make the matrix, and factor it once."""
        if self.name is None or n > common.LARGEST.get(self.name, n):
            raise NotImplementedError("nothing to run, or too long")
        self.f = common.factorization(self.name)
        xp, self.wait = common.library(library)
        self.a = common.falling(self.f.record.needs, n)
        self.given = xp.asarray(self.a)
        self.x = xp.asarray(np.random.default_rng(1).standard_normal((n, 16)).astype("float32"))
        self.factored = self.run()

    def run(self):
        """One factorization."""
        items = common.factorattn.contract.parse(self.f.record.inputs)
        options = dict(common.FACTOR_OPTIONS.get(self.name, {}))
        if any(item.name == "rank" for item in items):
            options["rank"] = 32
        if self.f.record.random:
            options["rng"] = 0
        factored = self.f(self.given, **options)
        self.wait()
        return factored

    def time_factor(self, n, library):
        """Seconds to factor."""
        self.run()

    def time_multiply(self, n, library):
        """Seconds to multiply 16 vectors."""
        self.factored.mT.matmat(self.x) if self.factored.shape[-2] == n else self.factored.matmat(self.x)
        self.wait()

    def track_parameters(self, n, library):
        """Numbers that are kept."""
        return self.factored.parameters

    def track_flops(self, n, library):
        """Operations of one product with a vector."""
        return self.factored.flops

    def track_error(self, n, library):
        """Relative Frobenius distance from what was factored."""
        dense = self.factored.to_dense()
        dense = dense.get() if library == "cupy" else dense
        return float(np.linalg.norm(dense - self.a.reshape(dense.shape)) / np.linalg.norm(self.a))

    track_parameters.unit, track_flops.unit, track_error.unit = "numbers", "operations", "relative"


for _name in common.FACTORS:
    globals()[_name] = type(_name, (Factorization,), {"name": _name, "__module__": __name__, "__doc__": f"`{_name}`."})
del _name, Factorization
