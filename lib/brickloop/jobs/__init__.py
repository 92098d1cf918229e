"""Job runs: submit, follow, cells, output documents."""
