"""Simulators of all providers, with a ledger of received messages. Nothing leaves the machine."""
