"""The viewer's pages: a file for each kind of thing that a citizen has."""
