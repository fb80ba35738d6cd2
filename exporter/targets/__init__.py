"""What to watch: targets, the accounts of an organization, and which of them are this exporter's share. Pure."""
