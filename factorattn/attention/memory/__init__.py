"""Keys beyond the sequence: a past, a learned memory, a continuous one."""

__all__: list[str] = []
