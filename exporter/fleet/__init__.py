"""Which targets are watched, when, and what is known of each. One owner per target."""
