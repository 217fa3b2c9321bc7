"""Models, forwards and with all derivatives: seconds, and bytes at the peak of the training step."""

import tracemalloc

import numpy as np

from . import common

try:  # a commit may be older than these
    from factorattn.interpret.gradient import value_and_grad
    from factorattn.interpret.tree import tree_map
    from factorattn.model import recurrent, seq2seq, transformer
except ImportError:
    value_and_grad = None

BATCH, WIDTH, WORDS = 4, 64, 100


class Model:
    """Base of the classes below; asv skips a case whose setup raises NotImplementedError."""

    made = None  # asv looks at this class too
    params = ([64, 256], common.LIBRARIES)
    param_names = ("n", "library")
    timeout = 120

    def setup(self, n, library="numpy"):
        """Draw parameters and inputs, and run once."""
        if self.made is None or value_and_grad is None:
            raise NotImplementedError("nothing to run")
        xp, self.wait = common.library(library)
        rng = np.random.default_rng(0)
        self.f, parameters, inputs = self.made(n, rng)
        self.parameters, self.inputs = tree_map(xp.asarray, (parameters, inputs))
        self.time_step(n, library)

    def loss(self, parameters, inputs):
        """The mean square of what comes out: every output has a part in it."""
        out = self.f(parameters, *inputs)
        return out.__array_namespace__().mean(out * out)

    def time_forward(self, n, library):
        """Seconds of the model alone."""
        self.f(self.parameters, *self.inputs)
        self.wait()

    def time_step(self, n, library):
        """Seconds of its value and all derivatives."""
        value_and_grad(self.loss)(self.parameters, self.inputs)
        self.wait()

    def track_peak(self, n, library):
        """Bytes that the step holds at once, beside inputs."""
        if library != "numpy":
            raise NotImplementedError("only NumPy's memory is traced")
        tracemalloc.start()
        try:
            self.time_step(n, library)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    track_peak.unit = "bytes"

    @staticmethod
    def network(n, rng, name):
        """A recurrent network over vectors."""
        parameters = getattr(recurrent, f"{name}_parameters")(WIDTH, WIDTH, rng=rng, dtype="float32")
        x = rng.standard_normal((BATCH, n, WIDTH)).astype("float32")
        network = getattr(recurrent, name)
        return lambda parameters, x: network(parameters, x)[0], parameters, (x,)

    @staticmethod
    def translator(n, rng, name):
        """A sequence-to-sequence model over words."""
        parameters = getattr(seq2seq, f"{name}_parameters")(
            WORDS, WORDS, embedded=WIDTH, hidden=WIDTH, rng=rng, dtype="float32"
        )
        words = rng.integers(0, WORDS, (2, BATCH, n // 4))
        return getattr(seq2seq, name), parameters, tuple(words)


class Recurrent(Model):
    """Hidden to hidden."""

    def made(self, n, rng):
        """The network."""
        return self.network(n, rng, "recurrent")


class Lstm(Model):
    """Gates and a cell."""

    def made(self, n, rng):
        """The network."""
        return self.network(n, rng, "lstm")


class Gru(Model):
    """Two gates."""

    def made(self, n, rng):
        """The network."""
        return self.network(n, rng, "gru")


class Cho(Model):
    """A context vector."""

    def made(self, n, rng):
        """The model."""
        return self.translator(n, rng, "cho")


class Sutskever(Model):
    """A first state."""

    def made(self, n, rng):
        """The model."""
        return self.translator(n, rng, "sutskever")


class Bahdanau(Model):
    """Additive attention, a bidirectional encoder."""

    def made(self, n, rng):
        """The model."""
        return self.translator(n, rng, "bahdanau")


class Luong(Model):
    """Global attention, input feeding."""

    def made(self, n, rng):
        """The model."""
        return self.translator(n, rng, "luong")


class Encoder(Model):
    """Two layers of a Transformer's encoder."""

    def made(self, n, rng):
        """The model."""
        parameters = transformer.encoder_parameters(2, WIDTH, 4, 4 * WIDTH, rng=rng, dtype="float32")
        x = rng.standard_normal((BATCH, n, WIDTH)).astype("float32")
        return lambda parameters, x: transformer.encoder(parameters, x, heads=4), parameters, (x,)


class LanguageModel(Model):
    """Two layers of a Transformer, decoder only."""

    def made(self, n, rng):
        """The model."""
        parameters = transformer.language_model_parameters(WORDS, 2, WIDTH, 4, 4 * WIDTH, rng=rng, dtype="float32")
        ids = rng.integers(0, WORDS, (BATCH, n))
        return lambda parameters, ids: transformer.language_model(parameters, ids, heads=4), parameters, (ids,)


class Transformer(Model):
    """Two layers each of encoder and decoder."""

    def made(self, n, rng):
        """The model."""
        parameters = transformer.transformer_parameters(WORDS, 2, WIDTH, 4, 4 * WIDTH, rng=rng, dtype="float32")
        words = rng.integers(0, WORDS, (2, BATCH, n))
        f = transformer.transformer
        return lambda parameters, source, target: f(parameters, source, target, heads=4), parameters, tuple(words)
