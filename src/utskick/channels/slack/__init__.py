"""Slack: chat.postMessage of the Web API."""
