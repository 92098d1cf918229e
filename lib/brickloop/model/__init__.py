"""Values that every floor shares: notebooks, paths, runs and output documents. No I/O."""
