"""The configuration file → an immutable, checked `Config`; or every fault of the file, each with its line and path."""
