"""Settings: where each value comes from, and which workspace is meant."""
