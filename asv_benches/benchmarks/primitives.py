"""The inner loops by themselves."""

import numpy as np

from . import common


class SoftmaxAttend:
    """Streaming softmax, with each kind of restriction on pairs."""

    params = ([1024, 4096], common.LIBRARIES, common.KERNELS, ["all", "causal", "window", "mask"])
    param_names = ("n", "library", "kernels", "pairs")

    def setup(self, n, library, kernels, pairs):
        """Make inputs, and run once so that compilation is not timed."""
        self.attend = common.primitive("softmax_attend")
        xp, self.wait = common.library(library)
        self.inputs = [xp.asarray(x) for x in common.embedded(n)]
        self.options = {"scale": 32**-0.5}
        if pairs == "mask":
            self.options["mask"] = xp.asarray(np.random.default_rng(0).random((n, n)) < 0.5)
        else:
            self.options["band"] = {"all": (None, None), "causal": (None, 0), "window": (-64, 64)}[pairs]
        self.time_call(n, library, kernels, pairs)

    def time_call(self, n, library, kernels, pairs):
        """Seconds."""
        with common.factorattn.kernels(kernels):
            self.attend(*self.inputs, **self.options)
        self.wait()


class CausalScan:
    """Causal sums of outer products, with log scales and without."""

    params = ([1024, 4096], common.LIBRARIES, common.KERNELS, [False, True])
    param_names = ("n", "library", "kernels", "log_scale")

    def setup(self, n, library, kernels, log_scale):
        """Make inputs, and run once so that compilation is not timed."""
        self.scan = common.primitive("causal_scan")
        xp, self.wait = common.library(library)
        rng = np.random.default_rng(0)
        f, g, v, s = (xp.asarray(rng.random((n, size)).astype("float32")) for size in (64, 64, 64, 1))
        self.inputs, self.options = (f, g, v), {"log_scale": s} if log_scale else {}
        self.time_call(n, library, kernels, log_scale)

    def time_call(self, n, library, kernels, log_scale):
        """Seconds."""
        with common.factorattn.kernels(kernels):
            self.scan(*self.inputs, **self.options)
        self.wait()
