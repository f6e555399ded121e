"""Programs: absl flags in, library calls, and what a person wants to see."""
