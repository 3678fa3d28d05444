"""Attacks as they were found, each tried against the service."""
