"""What the papers say, as data over one loop: one small file a method."""
