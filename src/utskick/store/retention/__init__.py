"""Retention rules, sweep, purge, holds, log and erasure."""
