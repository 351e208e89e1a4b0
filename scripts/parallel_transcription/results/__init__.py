"""From run records to tables: what their columns are, and what in them counts."""
