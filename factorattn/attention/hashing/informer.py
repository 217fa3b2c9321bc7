"""Informer (Zhou et al. 2021): only the most selective queries attend; the others get the mean of the values."""
