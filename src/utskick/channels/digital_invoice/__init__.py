"""Digital invoice channel: Kivra."""
