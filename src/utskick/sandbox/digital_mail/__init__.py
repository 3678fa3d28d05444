"""Simulator of Mina Meddelanden: the register and two mailbox operators."""
