"""Pages for people: the page of a run, and the exported page of a notebook with its results."""
