"""Prometheus exporter that watches Amazon Bedrock model customization jobs."""

NAME = "bedrock-customization-exporter"
__version__ = "0.1.0"
