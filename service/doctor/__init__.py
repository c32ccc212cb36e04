"""What would hinder a start of the server, found out without changing anything."""
