"""What a sweep is: its manifest, its orders, the graph of its jobs, and what is read from its folder."""
