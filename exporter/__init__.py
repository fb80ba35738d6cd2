"""Prometheus exporter that watches Amazon Bedrock model customization jobs."""

__version__ = "0.1.0"
