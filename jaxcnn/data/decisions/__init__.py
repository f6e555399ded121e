"""What a person decided about photos: a table, its log, and what it makes of the data."""
