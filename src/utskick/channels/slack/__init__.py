"""Slack channel: chat.postMessage of the Web API."""
