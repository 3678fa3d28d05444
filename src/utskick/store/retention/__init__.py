"""Retention rules, sweep, purge, legal holds, log and erasure."""
