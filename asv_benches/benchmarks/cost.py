"""The counting machinery itself, and what it costs to import the library."""

from . import common


class Counting:
    """Seconds to count a mechanism at a million tokens, and to find its polynomial."""

    params = (common.NAMES,)
    param_names = ("mechanism",)

    def setup(self, name):
        """Find the mechanism."""
        self.f = common.mechanism(name)

    def time_cost(self, name):
        """Seconds for `cost`."""
        common.factorattn.cost(self.f, {**common.SIZES, "n": 2**20, "m": 2**20})

    def time_polynomial(self, name):
        """Seconds for `time_polynomial`."""
        common.factorattn.time_polynomial(self.f)


class Import:
    """Seconds from nothing to `import factorattn`, in a fresh interpreter."""

    def timeraw_import(self):
        """Seconds, the interpreter's own start not counted."""
        return "import factorattn"
