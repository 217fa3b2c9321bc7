"""Trained weights that take few new parameters: one adapter a file."""
