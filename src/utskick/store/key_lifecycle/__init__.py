"""Destruction of keys and re-encryption."""
