"""Whole folders into collections: walked, decoded in processes, encoded and stored in batches."""
