"""What the terminal shows; the only rooms that print."""
