"""factorattn."""
