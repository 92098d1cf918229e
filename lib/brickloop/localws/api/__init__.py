"""The local workspace's endpoints, one module per API."""
