"""Calls that leave the house over HTTP: one client, one kind of token, the settings of an account.
For channels and the directory."""
