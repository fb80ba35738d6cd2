"""The only room that knows boto3: clients, credentials, bounds of connections, pages, exceptions → reasons."""
