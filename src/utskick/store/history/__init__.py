"""Status, conversations, users, statistics, extracts and imports."""
