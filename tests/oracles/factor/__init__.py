"""Plain Python loops for factorizations, from the papers' indices: one file each."""
