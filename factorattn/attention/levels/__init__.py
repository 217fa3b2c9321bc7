"""Over words and sentences, areas, hops, features and representations: more than one weight for a position."""

__all__: list[str] = []
