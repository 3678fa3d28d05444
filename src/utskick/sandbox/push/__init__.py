"""Simulators of Web Push and Firebase Cloud Messaging."""
