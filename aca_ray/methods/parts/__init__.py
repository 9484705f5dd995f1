"""Parts that several methods share; none knows which."""
