"""Dates in words to dates in numbers, by sequence to sequence with attention: "the 3rd of May 1997" -> 1997-05-03."""
