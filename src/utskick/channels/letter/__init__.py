"""Letters: to a digital mailbox where there is one, else on paper."""
