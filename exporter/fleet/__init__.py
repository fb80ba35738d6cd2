"""Watches targets: when each is walked, and what is known about it. One owner per target."""
