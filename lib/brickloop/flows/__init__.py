"""The stories: each flow reads straight down one file."""
