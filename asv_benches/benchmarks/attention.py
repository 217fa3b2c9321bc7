"""Every mechanism: seconds, bytes, counted operations and error, on real heads of a Transformer where it takes such.

A mechanism is a class here, not a parameter: asv files results by the position of parameters, and a growing list would
move them.
"""

import numpy as np

from . import common


class Mechanism:
    """Base of the classes below; asv skips a case whose setup raises NotImplementedError."""

    name = None  # asv looks at this class too
    params = (common.LENGTHS, common.LIBRARIES, common.KERNELS)
    param_names = ("n", "library", "kernels")
    timeout = 120

    def setup(self, n, library="numpy", kernels="off"):
        """Make inputs, and run once so that compilation is not timed."""
        if self.name is None or n > common.LONGEST.get(self.name, n):
            raise NotImplementedError("nothing to run, or too long")
        self.f = common.mechanism(self.name)
        xp, self.wait = common.library(library)
        self.inputs = {name: xp.asarray(x) for name, x in common.inputs(self.f, n).items()}
        self.options = common.OPTIONS.get(self.name, {})
        self.run(kernels)

    def run(self, kernels):
        """One call."""
        with common.factorattn.kernels(kernels):
            o = self.f(**self.inputs, **self.options)
        self.wait()
        return o

    def time_call(self, n, library, kernels):
        """Seconds."""
        self.run(kernels)

    def peakmem_call(self, n, library, kernels):
        """Bytes of the whole process, on the host."""
        self.run(kernels)

    def track_flops(self, n):
        """Operations, counted: the same on every machine."""
        return self.cost(n).flops

    def track_peak(self, n):
        """Bytes held at once beside the inputs, counted."""
        return self.cost(n).peak

    def track_error(self, n, library, kernels):
        """Relative error of the output against the mechanism approximated (or the definition itself) in float64."""
        o = self.run(kernels)
        o = o.get() if library == "cupy" else o
        target = self.f.record.approximates
        exact = self.f if target is None else common.mechanism(target)
        with common.factorattn.kernels("off"):
            options = self.options if exact is self.f else {}
            truth = exact(**common.inputs(self.f, n, "float64"), **options, form=exact.record.forms[0])
        return float(np.linalg.norm(o - truth) / np.linalg.norm(truth))

    def cost(self, n):
        """What the library counts for these inputs."""
        return common.factorattn.cost(self.f, common.sizes(self.name, n), batch=(2,))

    peakmem_call.params = (common.LENGTHS, ["numpy"], common.KERNELS)
    track_error.params = ([256, 1024], common.LIBRARIES, common.KERNELS)
    track_flops.params = track_peak.params = (common.LENGTHS,)
    track_flops.param_names = track_peak.param_names = ("n",)
    track_flops.unit, track_peak.unit, track_error.unit = "operations", "bytes", "relative"


for _name in common.NAMES:
    globals()[_name] = type(_name, (Mechanism,), {"name": _name, "__module__": __name__, "__doc__": f"`{_name}`."})
del _name, Mechanism
