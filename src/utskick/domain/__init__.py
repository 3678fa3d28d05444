"""Nouns and rules. No I/O; imports nothing of ours."""
