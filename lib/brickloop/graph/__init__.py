"""doit: the graph from local file to fetched output."""
