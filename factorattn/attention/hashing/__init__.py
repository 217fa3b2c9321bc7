"""Which pairs are looked at depends on the data: buckets, clusters, sorted blocks, chosen queries."""

__all__: list[str] = []
