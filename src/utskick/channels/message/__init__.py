"""Messages that go the way that the person has chosen."""
