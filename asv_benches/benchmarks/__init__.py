"""Benchmarks for `asv`: time, memory, counted cost and error of every mechanism and primitive, over commits."""
