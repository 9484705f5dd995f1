"""Searching: the only search loop, and what it observes."""
