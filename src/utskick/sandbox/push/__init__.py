"""Web Push and Firebase Cloud Messaging, simulated."""
