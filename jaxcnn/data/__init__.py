"""Host-side data: sources, decoding, splits, and batches of numpy arrays."""
