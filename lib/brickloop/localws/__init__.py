"""The local workspace: a server on loopback that speaks the Databricks API."""
