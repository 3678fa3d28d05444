"""From accepted to settled. Knows no channel by name."""
