"""Several attentions side by side, and what their heads share."""

__all__: list[str] = []
