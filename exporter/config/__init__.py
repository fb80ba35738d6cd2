"""The configuration file → an immutable, validated `Config`, or all its faults, each with line and path."""
