"""Gradients swept back through mechanisms: seconds beside those of the way forward, and bytes."""

from . import common

try:  # a commit may be older
    from factorattn.interpret.gradient import vjp
except ImportError:
    vjp = None


class Sweep:
    """One cotangent pulled back to queries, keys and values, of each form."""

    params = (
        common.LENGTHS,
        ["softmax_attention online", "softmax_attention dense", "linear_attention chunked"],
        [False, True],
    )
    param_names = ("n", "form", "causal")

    def setup(self, n, form, causal):
        """Make inputs, and run once so that compilation is not timed."""
        if vjp is None or (form.endswith("dense") and n > 1024):
            raise NotImplementedError("this commit has no gradients, or too much memory")
        name, form = form.split()
        f, self.inputs = common.mechanism(name), common.embedded(n)
        self.f = lambda q, k, v: f(q, k, v, causal=causal, form=form)
        out, self.pullback = vjp(self.f, *self.inputs)
        self.cotangent = out * 0 + 1
        self.pullback(self.cotangent)

    def time_forward(self, n, form, causal):
        """Seconds of the way forward, with its record."""
        vjp(self.f, *self.inputs)

    def time_back(self, n, form, causal):
        """Seconds of the sweep."""
        self.pullback(self.cotangent)

    def peakmem_both(self, n, form, causal):
        """Bytes of the whole process."""
        vjp(self.f, *self.inputs)[1](self.cotangent)
