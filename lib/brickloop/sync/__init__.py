"""Workspace sync: scan, plan, apply, and the ledger of what was last equal on both sides."""
