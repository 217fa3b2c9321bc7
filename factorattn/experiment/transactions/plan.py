"""What is run: lengths, models, steps."""

from dataclasses import dataclass, field

from factorattn.experiment.transactions.model import MECHANISMS, Sizes

__all__ = ["QUICK", "Plan"]


@dataclass(frozen=True)
class Plan:
    """What to run.

    Attributes
    ----------
    lengths : tuple of int
        Each divides the longest.
    mechanisms : tuple of str
    steps : int
        At every length, of as many tokens as the longest length has.
    start_steps, start_length, start_tokens : int
        Steps before that, their length (or the shortest, where that is less), and the tokens of each.
    rate : float
        Of Adam, once it is warm.
    seed : int
    seconds : float
        For which a step is timed again and again.
    sizes : Sizes
        The vocabulary in it is that of the data.
    """

    lengths: tuple[int, ...] = (512, 1024, 2048, 4096, 8192)
    mechanisms: tuple[str, ...] = MECHANISMS
    steps: int = 16
    start_steps: int = 400
    start_length: int = 512
    start_tokens: int = 2048
    rate: float = 0.01
    seed: int = 0
    seconds: float = 0.5
    sizes: Sizes = field(default_factory=lambda: Sizes(0))

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        for name, known in (("mechanisms", MECHANISMS), ("lengths", None)):
            given = getattr(self, name)
            if not given or len(set(given)) != len(given):
                raise ValueError(f"{name} must be one or more, each once, got {', '.join(map(str, given)) or 'none'}")
            wrong = [value for value in given if known and value not in known]
            if wrong:
                raise ValueError(f"{name} must be {', '.join(known or ())}, got {wrong[0]!r}")
        if self.steps < 1 or self.start_steps < 0:
            raise ValueError(f"steps must be positive, got {min(self.steps, self.start_steps)}")

    @property
    def jobs(self) -> int:
        """How often `study` tells that something begins."""
        return len(self.mechanisms) * (1 + 2 * len(self.lengths))


QUICK = Plan(lengths=(256, 512, 1024), steps=3, start_steps=40, start_length=256)
