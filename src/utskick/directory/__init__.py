"""Who people are and how they want to be reached."""
