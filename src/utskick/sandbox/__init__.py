"""Every provider, simulated over its real protocol, with a ledger of what the citizens received.
Nothing leaves the machine."""
