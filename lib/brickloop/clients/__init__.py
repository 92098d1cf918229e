"""The only modules that talk to a workspace: SDK, file stores, SQL warehouses."""
