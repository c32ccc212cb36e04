"""HTTP in front of models and index; the only floor that knows both."""
