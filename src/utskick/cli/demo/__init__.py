"""``utskick demo``: run a service in a sandbox, send 2000 messages, and compare two ledgers."""
