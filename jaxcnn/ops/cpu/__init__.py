"""How the CPU computes the operations."""
