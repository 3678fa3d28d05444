"""Audit log of the API: subjects of entries, denied calls, and their coalescing."""
