"""Namespaces that read the library's functions instead of computing them. Import nothing of the rest of the library."""
