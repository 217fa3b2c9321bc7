"""Only some pairs."""
