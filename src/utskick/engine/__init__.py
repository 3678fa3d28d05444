"""The engine: from acceptance to settlement. It knows no channel by name."""
