"""What a namespace raises that has no rule for a function."""

__all__ = ["NoRule"]


class NoRule(NotImplementedError, AttributeError):
    """A function of the array API that a namespace cannot read; ``hasattr`` finds that it is not there."""
