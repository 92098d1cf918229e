"""SQL: the pool of sessions, the cache of results, and what may be cached."""
