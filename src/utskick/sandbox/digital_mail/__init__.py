"""Mina Meddelanden, simulated: the register and two mailbox operators."""
