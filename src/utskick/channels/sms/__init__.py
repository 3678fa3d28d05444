"""SMS channel: HTTP gateways (LINK, Telia, 46elks) and message centres over SMPP."""
