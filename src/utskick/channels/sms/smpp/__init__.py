"""SMPP 3.4 client (Short Message Peer to Peer Protocol Specification v3.4, issue 1.2)."""
