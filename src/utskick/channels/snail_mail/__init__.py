"""Snail mail channel: physical letters, handed over to a printing house in print batches."""
