"""Clients, signing keys, audit log, configuration and maintenance."""
