"""Restored databases: noticed before anything is sent, held, and released by a person."""
