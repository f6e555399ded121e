"""Photos whose labels are in a table: CSV, TSV, JSON lines or Parquet."""
