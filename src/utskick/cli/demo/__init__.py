"""``utskick demo``: a whole service in a sandbox of its own, two thousand messages, and two ledgers
compared."""
